package docs_test

// benchLayers are the layers of cmd/berthbench and the modules below it. They are modules of their
// own, so that nobody who uses the library downloads what it is compared with; the rules of the house
// hold in them all the same.
var benchLayers = []layer{
	{
		packages: []string{"cmd/berthbench/internal/cores"},
		ours:     []string{"pool/..."},
		modules:  []string{anyModule},
		reason:   "the one place where libraries that are compared with Berth's pool are imported",
	},
	{
		packages: []string{"cmd/berthbench/internal/jobs"},
		ours:     []string{"reservation/...", "pool/...", "store", "sockets/...", "cmd/berthbench/internal/result"},
		modules:  []string{anyModule},
		reason:   "the one place where libraries that do whole jobs are imported",
	},
	{
		packages: []string{"cmd/berthbench/heavy"},
		ours:     []string{"pool/...", "cmd/berthbench/internal/..."},
		modules:  []string{anyModule},
		reason:   "the one place where peers that are too large for everybody's build are imported",
	},
	{
		packages: []string{"cmd/berthbench/podman"},
		modules:  []string{anyModule},
		reason:   "Podman cannot be built together with other peers, so it is alone",
	},
	{
		packages: []string{"cmd/berthbench/internal/result", "cmd/berthbench/internal/statistics"},
		ours:     []string{"cmd/berthbench/internal/result"},
		reason:   "what a run found is data that everybody can read",
	},
	{
		packages: []string{"cmd/berthbench/internal/report", "cmd/berthbench/internal/table"},
		ours:     []string{"cmd/berthbench/internal/..."},
		modules:  []string{"gonum.org/v1/plot", "golang.org/x/image"},
		reason:   "what shows a run measures nothing",
	},
	{
		packages: []string{"cmd/berthbench/..."},
		ours:     []string{"pool/...", "cmd/berthbench/internal/..."},
		modules:  []string{cobra, pflag, system, term, "github.com/schollz/progressbar/v3"},
		reason:   "the harness knows cores and jobs by their interfaces; the adapters know the peers",
	},
}
