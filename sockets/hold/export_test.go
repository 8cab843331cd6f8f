package hold

// NewWithGap returns a Keeper that hands over as systems do that have no better way.
func NewWithGap() *Keeper { return &Keeper{handover: WithGap} }

// NewWithoutIPv6 returns a Keeper that takes the computer for one without IPv6.
func NewWithoutIPv6() *Keeper { return &Keeper{handover: systemHandover, spans: []span{onlyIPv4}} }
