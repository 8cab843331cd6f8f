package runner

import (
	"context"

	"github.com/berthkit/berth/cmd/berthbench/internal/cores"
	"github.com/berthkit/berth/cmd/berthbench/internal/result"
	"github.com/berthkit/berth/pool/poolbench"
)

// Verify puts each core through random operations beside an oracle and calls report with what came
// out, in order. It returns ctx's error if it did not come to the end.
func Verify(ctx context.Context, entries []cores.Entry, operations int, seed uint64, report func(result.Verdict)) error {
	for _, entry := range entries {
		verdicts := make(chan result.Verdict, 1)
		go func() {
			verdict := result.Verdict{Core: entry.Name, Operations: operations}
			if err := poolbench.VerifyCore(entry.New, operations, seed); err != nil {
				verdict.Fault = err.Error()
			}
			verdicts <- verdict
		}()
		select {
		case verdict := <-verdicts:
			report(verdict)
		case <-ctx.Done(): // the goroutine ends with the program, or when it is through
			return ctx.Err()
		}
	}
	return ctx.Err()
}
