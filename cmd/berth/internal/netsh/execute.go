package netsh

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/reservation"
	"github.com/berthkit/berth/reservation/win32"
)

// done is what netsh prints when it has changed something.
const done = "Ok.\n\n"

// execute does what the command says and returns what to print.
func (s *Shell) execute(ctx context.Context, c *command) (text string, err error) {
	if err := c.check(); err != nil {
		return "", err
	}
	err = s.Lend(ctx, c.action.access, func(on Computer) error {
		var err error
		text, err = c.action.run(s, ctx, c, on)
		return err
	})
	return text, err
}

// check refuses what no computer can do, and sets the command's ports.
func (c *command) check() (err error) {
	if !c.action.takesPorts {
		return nil
	}
	if c.ports, err = pool.RangeFrom(c.first, int(c.count)); err != nil {
		return err
	}
	if c.action.object == objectDynamic && c.store == reservation.ActiveStore {
		return ErrUntilRestart
	}
	return nil
}

func (s *Shell) addExclusion(ctx context.Context, c *command, on Computer) (string, error) {
	return done, on.AddExclusion(ctx, c.protocol, c.ports, c.store)
}

func (s *Shell) deleteExclusion(ctx context.Context, c *command, on Computer) (string, error) {
	return done, on.DeleteExclusion(ctx, c.protocol, c.ports, c.store)
}

func (s *Shell) setDynamic(ctx context.Context, c *command, on Computer) (string, error) {
	return done, on.SetDynamic(ctx, c.protocol, c.ports)
}

func (s *Shell) showDynamic(ctx context.Context, c *command, on Computer) (string, error) {
	r, err := on.Dynamic(ctx, c.protocol)
	if err != nil {
		return "", err
	}
	return formatDynamic(c.protocol, r), nil
}

func (s *Shell) showExclusions(ctx context.Context, c *command, on Computer) (string, error) {
	blocks, err := on.List(ctx, c.protocol)
	if err != nil {
		return "", err
	}
	var shown []reservation.Block
	for _, b := range blocks {
		hidden := b.Kind == reservation.Persistent && s.Policy.HidePersistent
		passing := b.Kind == reservation.Runtime || b.Store == reservation.ActiveStore
		if !hidden && (c.store == reservation.ActiveStore || !passing) {
			shown = append(shown, b)
		}
	}
	return formatExclusions(c.protocol, shown), nil
}

// formatExclusions prints blocks, in the order of their first ports, as netsh lists them. The
// asterisk marks exclusions.
func formatExclusions(protocol reservation.Protocol, blocks []reservation.Block) string {
	var b strings.Builder
	fmt.Fprintf(&b, "\nProtocol %s Port Exclusion Ranges\n\n", protocol)
	b.WriteString("Start Port    End Port      \n")
	b.WriteString("----------    --------      \n")
	for _, block := range blocks {
		mark := ' '
		if block.Kind == reservation.Exclusion {
			mark = '*'
		}
		fmt.Fprintf(&b, "%10d%12d     %c\n", block.Range.First(), block.Range.Last(), mark)
	}
	b.WriteString("\n* - Administered port exclusions.\n\n")
	return b.String()
}

// formatDynamic prints a dynamic range as netsh does.
func formatDynamic(protocol reservation.Protocol, r reservation.Range) string {
	return fmt.Sprintf("\nProtocol %s Dynamic Port Range\n", protocol) +
		"---------------------------------\n" +
		fmt.Sprintf("Start Port      : %d\nNumber of Ports : %d\n\n", r.First(), r.Count())
}

// elevation is what netsh says to whoever is no elevated administrator.
const elevation = "The requested operation requires elevation (Run as administrator)."

// refusal returns what netsh says about a command that has failed.
func (p Policy) refusal(c *command, err error) string {
	missing, held := p.DeleteMissing, p.DeleteHeld
	if missing == 0 {
		missing = win32.ERROR_FILE_NOT_FOUND
	}
	if held == 0 {
		held = win32.ERROR_ACCESS_DENIED
	}
	inTheWay := conflictingBlock(err)
	isHeld := inTheWay != nil && inTheWay.Kind == reservation.Runtime && inTheWay.Range == c.ports
	switch {
	case c.action.verb == verbDelete && errors.Is(err, reservation.ErrNotFound):
		if isHeld {
			return held.Error()
		}
		return missing.Error()
	case errors.Is(err, fs.ErrPermission) && inTheWay == nil:
		return elevation
	}
	return win32.IphlpapiErrno(err).Error()
}

// conflictingBlock returns the block in the way of a call, nil if none is.
func conflictingBlock(err error) *reservation.Block {
	if refused, ok := errors.AsType[*reservation.Error](err); ok && refused.Conflict != nil {
		return refused.Conflict.Block
	}
	return nil
}
