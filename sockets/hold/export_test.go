package hold

// NewWithGap returns a Keeper that hands over as systems do that have no better way.
func NewWithGap() *Keeper { return &Keeper{handover: WithGap} }
