package pool

type PortSet struct{}
