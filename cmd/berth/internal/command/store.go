package command

import (
	"github.com/spf13/cobra"
)

func newStore(inv *invocation) *cobra.Command {
	return newGroup("store", "Check, back up and repair the store", groupMaintain)
}
