package pool

// A Search says where and how to look for free consecutive ports. The zero Search looks everywhere
// and takes the lowest.
type Search struct {
	Within Range      // where to look; the zero Range means 1-65535
	Align  int        // the first port must be a multiple of it; 0 and 1 mean any, 2 means even
	From   uint16     // where to start: runs that begin at or after it come first, then those before it; 0 means at the start of Within
	Avoid  []*PortSet // ports in any of these are taken as well
}
