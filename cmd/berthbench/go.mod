module github.com/berthkit/berth/cmd/berthbench

go 1.26.0

require github.com/berthkit/berth v0.0.0

replace github.com/berthkit/berth => ../..
