// Package result is what a run of the harness found: figures, each with every sample that it rests
// on, and the machine that they were measured on.
package result

import "time"

// A Run is everything that one run found.
type Run struct {
	Machine  Machine   `json:"machine"`
	Started  time.Time `json:"started"`
	Seed     uint64    `json:"seed"`
	Complete bool      `json:"complete"`        // false if it was interrupted: figures that were finished are here
	Notes    []string  `json:"notes,omitempty"` // what was left out and why, a sentence each
	Verified []Verdict `json:"verified"`
	Figures  []Figure  `json:"figures"`
}

// A Machine is the line that stands in every file.
type Machine struct {
	System    string `json:"system"`    // "linux/amd64, Linux 6.18.0"
	Processor string `json:"processor"` // as the system names it
	Cores     int    `json:"cores"`     // logical ones that this program may use
	Go        string `json:"go"`        // "go1.26.8"
	Commit    string `json:"commit"`    // of the repository, with "+changes" behind if it was not clean; "unknown"
}

// A Verdict says whether a core answered correctly before it was timed. One that did not is not timed.
type Verdict struct {
	Core       string `json:"core"`
	Operations int    `json:"operations"`
	Fault      string `json:"fault,omitempty"` // the first wrong answer; empty if there was none
}

// A Figure is one subject at one piece of work.
type Figure struct {
	Group      string    `json:"group"`    // "any", "who", "churn", "find", "clone", "shared", "trace", "memory", "udp-port", "durable-create"
	Work       Work      `json:"work"`     // what was asked of it
	Subject    string    `json:"subject"`  // the core or the peer: "berth", "bitmap", "google/btree"
	Unit       string    `json:"unit"`     // "ns/op" or "B/block"
	Samples    []float64 `json:"samples"`  // one for each interleaved run, in that order
	Attempts   int       `json:"attempts"` // of a job that may fail; 0 otherwise
	Successes  int       `json:"successes"`
	Properties []string  `json:"properties,omitempty"` // what a fair reader must know: "knows who", "checks TCP only", "flushes: fdatasync"
}

// Work is one piece of work. Figures with equal Group and Work are comparable, and were measured in turns.
type Work struct {
	Name        string `json:"name"`        // short and unique within the group, as in a benchmark's name: "blocks=1000/width=16/hit=50"
	Description string `json:"description"` // in one line
	Blocks      int    `json:"blocks,omitempty"`
	Width       int    `json:"width,omitempty"`      // ports of a query or a block
	Hit         int    `json:"hit,omitempty"`        // percent of the queries that overlap
	Fill        int    `json:"fill,omitempty"`       // percent of the ports that are taken
	Goroutines  int    `json:"goroutines,omitempty"` // 0 means one
}
