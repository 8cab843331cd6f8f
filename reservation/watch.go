package reservation

func (h *Host) noticeLocked() {}
