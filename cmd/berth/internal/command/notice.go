package command

import (
	"context"
	"log/slog"
	"strings"
)

// A noticeHandler shows warnings of the engine and the store, such as repairs, as lines on stderr.
type noticeHandler struct {
	screen     *screen
	attributes string
}

// Enabled implements slog.Handler.
func (h *noticeHandler) Enabled(_ context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn
}

// Handle implements slog.Handler.
func (h *noticeHandler) Handle(_ context.Context, record slog.Record) error {
	var line strings.Builder
	line.WriteString("berth: note: " + record.Message + h.attributes)
	record.Attrs(func(attribute slog.Attr) bool {
		if attribute.Value.String() != "" {
			line.WriteString(", " + attribute.String())
		}
		return true
	})
	h.screen.printf("%s\n", line.String())
	return nil
}

// WithAttrs implements slog.Handler.
func (h *noticeHandler) WithAttrs(attributes []slog.Attr) slog.Handler {
	with := *h
	for _, attribute := range attributes {
		with.attributes += ", " + attribute.String()
	}
	return &with
}

// WithGroup implements slog.Handler. Groups do not show.
func (h *noticeHandler) WithGroup(string) slog.Handler { return h }
