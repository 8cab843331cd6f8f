package reservation_test

// rules has the rows of docs/semantics.md whose answer is fixed, by their IDs.
var rules = map[string]rule{
	// Create, look up and delete.
	"C1": {script: `
		create udp 0-10             -> invalid
		create udp 65530+10         -> invalid
		create sctp 50000           -> invalid
		lookup udp 0                -> invalid
		delete udp 0                -> invalid
		list udp                    ->`},
	"C2": {script: `
		create udp 50000-50099      -> ok
		create udp 50000-50099      -> in use
		create udp 50050-50149      -> in use
		create udp 49950-50000      -> in use
		create udp 1-65535          -> in use
		create udp 50100-50149      -> ok
		list udp                    -> persistent 50000-50099, persistent 50100-50149`},
	"C3": {script: `
		open a udp
		acquire a 50000+10
		exclude udp 50020-50029
		create udp 50005-50014      -> in use
		create udp 50029            -> in use
		create udp 50010-50019      -> ok`},
	"C4": {script: `
		occupy udp 50010
		create udp 50000-50099      -> in use
		vacate udp 50010
		open a udp
		bind a 50011                -> 50011
		create udp 50000-50099      -> in use
		close a
		create udp 50000-50099      -> ok`},
	"C5": {script: `
		create udp 50000-50099 as t -> ok
		lookup udp 50000-50099 as u -> ok
		equal t u`},
	"C6": {script: `
		create udp 50000-50099      -> ok
		lookup udp 50000-50098      -> not found
		lookup udp 49999-50099      -> not found
		lookup udp 50050            -> not found
		lookup tcp 50000-50099      -> not found
		open a udp
		acquire a 51000+10          -> ok
		lookup udp 51000-51009      -> not found
		exclude udp 52000           -> ok
		lookup udp 52000            -> not found`},
	"C7": {script: `
		create udp 50000-50099      -> ok
		delete udp 50000-50098      -> not found
		delete udp 49999-50100      -> not found
		delete tcp 50000-50099      -> not found
		delete udp 50000-50099      -> ok
		delete udp 50000-50099      -> not found
		create udp 50000-50099      -> ok`},
	"C8": {script: `
		create udp 65535            -> ok
		delete udp 65535            -> ok
		create udp 1-65535          -> ok
		create tcp 1-65535          -> ok`},
	"C9": {script: `
		create udp 50000-50099 as t -> ok
		reboot
		lookup udp 50000-50099 as u -> ok
		differ t u
		open a udp
		associate a t               -> stale
		associate a u               -> ok`},
	"C10": {script: `
		create udp 50000-50099      -> ok
		create tcp 40000-40009      -> ok
		reboot
		list udp                    -> persistent 50000-50099
		list tcp                    -> persistent 40000-40009`},
	"C11": {script: `
		create udp 50000-50099 as t -> ok
		delete udp 50000-50099      -> ok
		create udp 50000-50099 as u -> ok
		differ t u
		open a udp
		associate a t               -> not found`},

	// Privileges.
	"P1": {script: `
		create udp 50000-50099 by user -> denied
		create udp 50000-50099         -> ok
		delete udp 50000-50099 by user -> denied
		list udp                       -> persistent 50000-50099`},
	"P2": {script: `
		create udp 50000-50099         -> ok
		lookup udp 50000-50099 by user -> ok`},
	"P3": {script: `
		open a udp by user
		acquire a 50000+10             -> ok
		dynamic udp 40000-40299
		acquire a 0+300                -> 40000-40299`},
	"P4": {script: `
		create udp 50000-50099 as t    -> ok
		open a udp by user
		associate a t                  -> denied
		open b udp by admin-2
		associate b t                  -> ok`},
	"P5": {script: `
		exclude udp 50000-50059 by user        -> denied
		exclude udp 50000-50059                -> ok
		include udp 50000-50059 by user        -> denied
		dynamic udp 40000-50000 by user        -> denied`},
	"P6": {script: `
		open a udp by user
		acquire a 53+1                 -> ok`},

	// Acquire.
	"Q1": {script: `
		open a udp
		acquire a 0+0                  -> invalid
		acquire a 50000+0              -> invalid
		acquire a 50000+-1             -> invalid
		acquire a 65535+2              -> invalid
		acquire a 1+65536              -> invalid
		acquire a 0+10 align -1        -> invalid
		acquire a 50000+10 align 2     -> invalid
		list udp                       ->`},
	"Q2": {script: `
		dynamic udp 40000-40299
		open a udp
		occupy udp 40050
		acquire a 0+249                -> 40051-40299
		acquire a 0+51                 -> exhausted
		acquire a 0+50                 -> 40000-40049
		acquire a 0+1                  -> exhausted
		acquire a 0+10 align 4 within 30001-30020 -> 30004-30013`},
	"Q3": {script: `
		create udp 50000-50009
		exclude udp 50020-50029
		open a udp by user
		acquire a 50009+5              -> in use
		acquire a 50015+6              -> in use
		acquire a 50010+10             -> ok
		acquire a 50010+10             -> in use
		acquire a 50012+1              -> in use`},
	"Q4": {script: `
		occupy udp 50005
		open a udp
		acquire a 50000+10             -> in use
		open b udp
		bind b 50015                   -> 50015
		acquire a 50010+10             -> in use
		close b
		acquire a 50010+10             -> ok`},
	"Q5": {script: `
		open a tcp
		acquire a 40000+64
		acquire a 41000+64
		acquire a 42000+64
		list tcp                       -> runtime 40000-40063, runtime 41000-41063, runtime 42000-42063`},
	"Q6": {script: `
		open a udp
		acquire a 54235+1 as t
		acquire a 54236+1 as u
		differ t u
		list udp                       -> runtime 54235, runtime 54236`},

	// Associate.
	"S1": {script: `
		open a udp
		acquire a 50000+10 as t
		bind a 50100                   -> 50100
		associate a t                  -> out of order`},
	"S2": {script: `
		open a udp by user
		acquire a 50000+10 as t
		open b udp by user
		associate b t                  -> ok
		open c udp by other
		associate c t                  -> denied
		bind c 50000                   -> denied`},
	"S3": {script: `
		open a udp by user
		acquire a 50000+10 as t
		bind a 50000                   -> denied
		associate a t
		bind a 50000                   -> 50000`},
	"S4": {script: `
		open a udp by user
		acquire a 50000+1 as t
		associate a t
		open b udp by user
		associate b t
		bind a 50000                   -> 50000
		bind b 50000                   -> 50000
		close a
		close b
		list udp                       ->`},
	"S5": {script: `
		open a udp
		associate a nothing            -> not found
		release a nothing              -> not found
		acquire a 50000+10 as t
		release a t
		associate a t                  -> not found`},
	"S6": {script: `
		create udp 50000-50009 by admin-1 as t
		open a udp by admin-2
		associate a t                  -> ok
		bind a 0                       -> 50000`},

	// Bind.
	"B1": {script: `
		create udp 50000-50002 as t
		occupy tcp 50000
		open a udp
		associate a t
		bind a 0                       -> 50000
		open b udp
		associate b t
		bind b 0                       -> 50001`},
	"B2": {script: `
		create udp 50000-50001 as t
		occupy udp 50000
		open a udp
		associate a t
		bind a 0                       -> 50001
		open b udp
		associate b t
		bind b 0                       -> exhausted
		close a
		bind b 0                       -> 50001`},
	"B3": {script: `
		create udp 50000-50009 as t
		open a udp
		associate a t
		bind a 50007                   -> 50007
		occupy udp 50008
		open b udp
		associate b t
		bind b 50008                   -> in use
		bind b 50009                   -> 50009`},
	"B4": {script: `
		create udp 50000-50009 as t
		open a udp
		associate a t
		bind a 50010                   -> invalid
		bind a 50000                   -> 50000`},
	"B5": {script: `
		open a udp by user
		acquire a 50000+10
		open b udp by user
		bind b 50003                   -> denied
		open c udp by other
		bind c 50003                   -> denied
		open d tcp by other
		bind d 50003 tcp               -> 50003
		bind b 50010                   -> 50010`},
	"B6": {script: `
		create udp 50000-50009
		open a udp
		bind a 50009                   -> denied
		bind a 50010                   -> 50010`},
	"B7": {script: `
		exclude udp 50000-50059
		open a udp by user
		bind a 50000                   -> 50000`},
	"B8": {script: `
		dynamic udp 40000-40299
		create udp 40000-40099
		exclude udp 40200-40298
		open h udp
		acquire h 40101+99
		open a udp
		bind a 0                       -> 40100
		open b udp
		bind b 0                       -> 40299
		open c udp
		bind c 0                       -> exhausted`},
	"B9": {script: `
		open a udp
		bind a 50000                   -> 50000
		bind a 50001                   -> out of order
		bind a 0                       -> out of order
		close a
		bind a 50000                   -> closed
		associate a t                  -> closed
		acquire a 50000+1              -> closed
		release a t                    -> closed
		close a                        -> ok`},

	// Lifetime.
	"L1": {script: `
		open a udp
		acquire a 50000+10
		acquire a 50010+10 as t
		open b udp
		associate b t
		bind b 50010                   -> 50010
		close a
		list udp                       ->
		create udp 50000-50009         -> ok
		create udp 50010-50019         -> in use
		close b
		create udp 50010-50019         -> ok`},
	"L2": {script: `
		open a udp by user
		acquire a 50000+10
		bind a 50100                   -> 50100
		exit user
		create udp 50000-50100         -> ok
		acquire a 51000+10             -> closed`},
	"L3": {script: `
		open a udp by user
		acquire a 50000+10 as t
		open b udp by other
		release b t                    -> denied
		release a t                    -> ok
		release a t                    -> not found
		create udp 50000-50009         -> ok`},
	"L4": {script: `
		open a udp
		acquire a 50000+10 as t
		reboot
		list udp                       ->
		acquire a 50000+10             -> closed
		open b udp
		associate b t                  -> not found`},
	"L5": {script: `
		exclude udp 50000-50009 store active
		exclude udp 50010-50019
		reboot
		list udp                       -> exclusion 50010-50019`},
	"L6": {script: `
		dynamic udp 40000-40299
		reboot
		open a udp
		acquire a 0+300                -> 40000-40299`},

	// Scope.
	"N1": {script: `
		create udp 50000-50099         -> ok
		create tcp 50000-50099         -> ok
		exclude udp 40000-40009        -> ok
		exclude tcp 40000-40009        -> ok
		open a tcp
		bind a 40000 tcp               -> 40000
		occupy tcp 30000
		create udp 30000               -> ok`},
	"N2": {script: `
		create udp 50000
		open a udp
		bind a 50000                   -> denied`},
	"N3": {script: `
		open a udp
		acquire a 0+16384              -> 49152-65535
		dynamic udp 1024-2000          -> invalid
		dynamic udp 1025-1278          -> invalid
		dynamic udp 1025-1279          -> ok
		open b udp
		acquire b 0+255                -> 1025-1279
		open c tcp
		acquire c 0+16384              -> 49152-65535`},

	// Exclusions.
	"X1": {script: `
		create udp 50000-50009
		open a udp
		acquire a 50010+10
		occupy udp 50025
		exclude udp 50009              -> in use
		exclude udp 50010              -> in use
		exclude udp 50020-50029        -> in use
		exclude udp 50030-50039        -> ok
		exclude udp 50030-50039        -> in use`},
	"X2": {script: `
		exclude udp 50000-50059        -> ok
		include udp 50000-50058        -> not found
		include udp 50000-50059 store active -> not found
		include udp 50000-50059        -> ok
		include udp 50000-50059        -> not found`},
}
