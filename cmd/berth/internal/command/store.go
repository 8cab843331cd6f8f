package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/berthkit/berth/reservation"
	"github.com/berthkit/berth/reservation/system"
	"github.com/berthkit/berth/store"
)

func newStore(inv *invocation) *cobra.Command {
	cmd := newGroup("store", "Check, back up and repair the store", groupMaintain,
		newStoreCheck(inv), newStoreBackup(inv), newStoreRestore(inv), newStoreSalvage(inv))
	cmd.Long = `The store keeps reservations and exclusions in two files, of which either repairs the other. These
commands are for looking after them; nothing they do is ever needed in daily use.`
	cmd.Example = `  berth store check
  berth store backup reservations.backup`
	return cmd
}

// path returns the path of the store that the global flags name.
func (inv *invocation) path() (string, error) {
	if inv.store != "" {
		return inv.store, nil
	}
	return system.StorePath()
}

func newStoreCheck(inv *invocation) *cobra.Command {
	var repair bool
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Verify both files of the store",
		Long: `Check reads and verifies every byte of both files of the store that matters, and says what it saw.
It changes nothing and works while another program holds the store. With --repair it first writes
a damaged file anew from the other, as every command does that changes something.`,
		Example: "  berth store check\n  berth store check --repair",
		Args:    exactly(0, "no arguments"),

		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			path, err := inv.path()
			if err != nil {
				return err
			}
			if repair { // opening it to be written is all it takes
				if err := inv.change(cmd.Context(), func(*system.Computer) error { return nil }); err != nil {
					return err
				}
			}
			report, err := store.Check(cmd.Context(), path)
			if err != nil {
				return err
			}
			if err := inv.printReport(report); err != nil {
				return err
			}
			return checkFailure(report)
		},
	}
	cmd.Flags().BoolVar(&repair, "repair", false, "write a damaged file anew from the other")
	return cmd
}

// checkJSON is what store check prints.
type checkJSON struct {
	Path     string          `json:"path"`
	Whole    bool            `json:"whole"`
	UDP      int             `json:"udp"`    // blocks
	TCP      int             `json:"tcp"`    // blocks
	Commit   uint64          `json:"commit"` // number of the last commit
	Files    []fileCheckJSON `json:"files"`
	Problems []store.Damage  `json:"problems"`
}

// fileCheckJSON is one file of a store.
type fileCheckJSON struct {
	Path   string `json:"path"`
	State  string `json:"state"` // "whole", "interrupted", "halved", "behind", "damaged" or "missing"
	Size   int64  `json:"size"`  // bytes
	Blocks int    `json:"blocks"`
	Commit uint64 `json:"commit"`
}

func (inv *invocation) printReport(report *store.Report) error {
	answer := checkJSON{
		Path: report.Path, Whole: report.Err() == nil, UDP: report.UDP, TCP: report.TCP,
		Commit: report.Revision.Number, Problems: report.Problems,
	}
	files := &table{head: []string{"STATE", "BLOCKS", "COMMIT", "BYTES", "FILE"}, right: map[int]bool{1: true, 2: true, 3: true}}
	for _, f := range report.Files {
		answer.Files = append(answer.Files, fileCheckJSON{f.Path, string(f.State), f.Size, f.Records, f.Commit})
		files.add(string(f.State), strconv.Itoa(f.Records), strconv.FormatUint(f.Commit, 10), strconv.FormatInt(f.Size, 10), f.Path)
	}
	if inv.json {
		return inv.stdout.printJSON(answer)
	}
	if answer.Whole {
		inv.stdout.printf("The store is whole: %s of udp, %s of tcp.\n\n", plural(report.UDP, "block"), plural(report.TCP, "block"))
	}
	files.print(inv.stdout)
	return nil
}

// checkFailure returns what is wrong with the store. If one file is whole, the other can be repaired.
func checkFailure(report *store.Report) error {
	err := report.Err()
	if err == nil || report.Revision == (reservation.Revision{}) {
		return err
	}
	return &failure{err, "Nothing is lost: one file is whole. Repair the other from it: berth store check --repair"}
}

func newStoreBackup(inv *invocation) *cobra.Command {
	return &cobra.Command{
		Use:   "backup FILE",
		Short: "Write the store to a new file",
		Long: `Backup writes what the store holds to a new file, while the store may be in use. The file holds the
secret that tokens are made of, so only its owner may read it: keep it that way.`,
		Example: "  berth store backup reservations.backup",
		Args:    exactly(1, "the name of a new file"),
		RunE: func(cmd *cobra.Command, args []string) error {
			path, err := inv.path()
			if err != nil {
				return err
			}
			err = store.Backup(cmd.Context(), path, args[0])
			if errors.Is(err, store.ErrExist) {
				err = &failure{fmt.Errorf("%s is there already", args[0]), "Choose another name."}
			}
			if err != nil {
				return fileFailure(err, "Choose a new file in a directory that you may write.")
			}
			return inv.answer(storeJSON{Path: path, File: args[0]}, "", fmt.Sprintf(
				"Backed up %s to %s.\nBring it back with: berth store restore %s", path, args[0], args[0]))
		},
	}
}

// fileFailure says what to do about an error of the system on a file that the user has named.
func fileFailure(err error, next string) error {
	var failed *fs.PathError
	if !errors.As(err, &failed) || errors.Is(err, store.ErrMissing) {
		return err
	}
	return &failure{err, next}
}

// storeJSON is what store backup and restore print of what they did.
type storeJSON struct {
	Path string `json:"path"` // the store
	File string `json:"file"` // the backup
}

func newStoreRestore(inv *invocation) *cobra.Command {
	return &cobra.Command{
		Use:   "restore FILE",
		Short: "Make the store what a backup holds",
		Long: `Restore verifies a backup and makes the store hold what it holds. The files that were there are
kept beside it under other names.`,
		Example: "  berth store restore reservations.backup",
		Args:    exactly(1, "the name of a backup"),
		RunE: func(cmd *cobra.Command, args []string) error {
			path, err := inv.path()
			if err != nil {
				return err
			}
			err = store.Restore(cmd.Context(), path, args[0])
			if damage := (*store.DamageError)(nil); errors.As(err, &damage) {
				return &failure{fmt.Errorf("%w: the backup is damaged: %s", store.ErrDamaged, damage.Damages[0]), "Name another backup."}
			}
			if err != nil {
				return fileFailure(err, "Name a file that berth store backup has written.")
			}
			return inv.answer(storeJSON{Path: path, File: args[0]}, "", fmt.Sprintf(
				"Restored %s from %s; the former files are kept beside it.\nSee what it holds: berth list", path, args[0]))
		},
	}
}

func newStoreSalvage(inv *invocation) *cobra.Command {
	var rebuild bool
	var from string
	cmd := &cobra.Command{
		Use:   "salvage",
		Short: "Print what can still be read of a damaged store",
		Long: `Salvage prints, as JSON, every record of the store whose checksum holds, whatever state the files
are in. With --rebuild it makes a store of them; the damaged files are kept beside it. To decide
yourself about records that are doubtful, save the JSON, edit it, and rebuild from that.`,
		Example: `  berth store salvage > salvaged.json
  berth store salvage --rebuild                        # from what can be read
  berth store salvage --rebuild --from salvaged.json   # from the edited file`,
		Args: exactly(0, "no arguments"),

		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if from != "" && !rebuild {
				return misused(cmd, "--from goes with --rebuild")
			}
			return inv.salvage(cmd, from, rebuild)
		},
	}
	cmd.Flags().SortFlags = false
	cmd.Flags().BoolVar(&rebuild, "rebuild", false, "make a store of the records")
	cmd.Flags().StringVar(&from, "from", "", "rebuild from this JSON `file`; - is standard input")
	return cmd
}

func (inv *invocation) salvage(cmd *cobra.Command, from string, rebuild bool) error {
	path, err := inv.path()
	if err != nil {
		return err
	}
	var salvaged *store.Salvaged
	if from == "" {
		salvaged, err = inv.printSalvage(cmd.Context(), path)
	} else {
		salvaged, err = inv.readSalvaged(from)
	}
	switch {
	case err != nil:
		return err
	case !rebuild && salvaged.Whole:
		inv.stderr.printf("One file is whole, so there is no need to rebuild the store.\n")
		return nil
	case !rebuild && len(salvaged.Records) == 0:
		return nil
	case !rebuild:
		inv.stderr.printf("Make a store of them: berth store salvage --rebuild\n")
		return nil
	case from == "" && len(salvaged.Records) == 0:
		return &failure{
			fmt.Errorf("%w: a store rebuilt from no records would be empty", store.ErrDamaged),
			"Bring back a backup: berth store restore FILE\n" +
				"Or start empty all the same: berth store salvage | berth store salvage --rebuild --from -",
		}
	}
	if err := store.Rebuild(cmd.Context(), path, salvaged); err != nil {
		return err
	}
	inv.stderr.printf("Rebuilt %s from %s; the former files are kept beside it.\nSee what it holds: berth list\n",
		path, plural(len(salvaged.Records), "record"))
	return nil
}

// printSalvage prints what can be read of the store, and counts it on stderr.
func (inv *invocation) printSalvage(ctx context.Context, path string) (*store.Salvaged, error) {
	salvaged, err := store.Salvage(ctx, path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, store.ErrMissing
	}
	if err != nil {
		return nil, err
	}
	inv.stderr.printf("Read %s for sure, and %d that may be out of date.\n", plural(len(salvaged.Records), "record"), len(salvaged.Doubtful))
	return salvaged, inv.stdout.printJSON(salvaged)
}

// readSalvaged reads what salvage has printed and somebody may have edited.
func (inv *invocation) readSalvaged(from string) (_ *store.Salvaged, err error) {
	input := inv.stdin
	if from != "-" {
		file, err := os.Open(from)
		if err != nil {
			return nil, fileFailure(err, "Name a file with what berth store salvage has printed.")
		}
		defer func() { err = errors.Join(err, file.Close()) }()
		input = file
	}
	decoder := json.NewDecoder(io.LimitReader(input, store.MaxSize))
	decoder.DisallowUnknownFields()
	salvaged := new(store.Salvaged)
	if err := decoder.Decode(salvaged); err != nil {
		return nil, fmt.Errorf("%w: %s is not what berth store salvage prints: %w", reservation.ErrInvalid, from, err)
	}
	return salvaged, nil
}
