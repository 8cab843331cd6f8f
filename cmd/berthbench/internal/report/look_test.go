package report_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berthkit/berth/cmd/berthbench/internal/report"
)

func TestLook(t *testing.T) {
	dir := os.Getenv("LOOK")
	if dir == "" {
		t.Skip()
	}
	require.NoError(t, report.Write(dir, synthetic(1)))
	for _, p := range report.Plots(synthetic(1)) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, p.Name+".svg"), p.SVG, 0o644))
		t.Log(p.Name, len(p.SVG), p.Title)
	}
}
