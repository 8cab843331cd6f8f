package report

import (
	"slices"
	"strings"
	"unicode"

	"gonum.org/v1/plot/vg"
)

// pushApart returns positions for labels that want to stand at the wanted ones: at least gap apart, in
// the same order, within low and high, and each as little away from where it wants to be as the others
// allow (least squares). Where they cannot all fit they stand closer than gap.
func pushApart(wanted []vg.Length, gap, low, high vg.Length) []vg.Length {
	if len(wanted) == 0 {
		return nil
	}
	if room := high - low; gap*vg.Length(len(wanted)-1) > room {
		gap = max(room, 0) / vg.Length(len(wanted)-1)
	}
	order := make([]int, len(wanted))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int {
		switch {
		case wanted[i] < wanted[j]:
			return -1
		case wanted[i] > wanted[j]:
			return 1
		}
		return 0
	})

	// Labels that would overlap form a cluster that stands around the mean of what they want. With
	// a gap's worth taken off for each label below, labels in a cluster all stand at one place, so
	// this is a regression that must not fall: neighbours are pooled while they do.
	type cluster struct {
		sum   vg.Length
		count int
	}
	mean := func(c cluster) vg.Length { return c.sum / vg.Length(c.count) }
	var clusters []cluster
	for place, i := range order {
		clusters = append(clusters, cluster{wanted[i] - gap*vg.Length(place), 1})
		for last := len(clusters) - 1; last > 0 && mean(clusters[last-1]) >= mean(clusters[last]); last-- {
			clusters[last-1].sum += clusters[last].sum
			clusters[last-1].count += clusters[last].count
			clusters = clusters[:last]
		}
	}

	positions := make([]vg.Length, len(wanted))
	top := high - gap*vg.Length(len(wanted)-1)
	place := 0
	for _, c := range clusters {
		for range c.count {
			positions[order[place]] = max(low, min(mean(c), top)) + gap*vg.Length(place)
			place++
		}
	}
	return positions
}

// longest is how many characters of a name a picture shows.
const longest = 24

// short makes a name fit for one line of a picture: without control characters, and cut if it is long.
func short(name string, most int) string {
	plain := strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) {
			return ' '
		}
		return r
	}, name)
	letters := []rune(strings.ToValidUTF8(plain, "\uFFFD"))
	if len(letters) <= most {
		return string(letters)
	}
	return strings.TrimRight(string(letters[:most-1]), " ") + "…"
}
