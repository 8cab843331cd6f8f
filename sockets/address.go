package sockets

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/berthkit/berth/pool"
	"github.com/berthkit/berth/reservation"
)

// checkNetwork returns an error unless network is the protocol's name, alone or with "4" or "6" behind.
func checkNetwork(protocol reservation.Protocol, network string) error {
	family, ok := strings.CutPrefix(network, protocol.String())
	if ok && (family == "" || family == "4" || family == "6") {
		return nil
	}
	return invalid(protocol, 0, "network %q; want %[2]v, %[2]v4 or %[2]v6", network, protocol)
}

// checkAddress tells what package net would find wrong with a network and a local address, before
// the engine is asked for anything.
func checkAddress(protocol reservation.Protocol, network string, ip net.IP, port int) error {
	if err := checkNetwork(protocol, network); err != nil {
		return err
	}
	if port < 0 || port > pool.MaxPort {
		return invalid(protocol, 0, "port %d; want 0-%d", port, pool.MaxPort)
	}
	family := network[len(network)-1]
	switch isIPv4 := ip.To4() != nil; {
	case len(ip) == 0:
		return nil
	case len(ip) != net.IPv4len && len(ip) != net.IPv6len:
		return invalid(protocol, port, "an IP address of %d bytes", len(ip))
	case family == '4' && !isIPv4:
		return invalid(protocol, port, "%v is not an IPv4 address, which %s needs", ip, network)
	case family == '6' && isIPv4 && !ip.Equal(net.IPv4zero):
		return invalid(protocol, port, "%v is not an IPv6 address, which %s needs", ip, network)
	}
	return nil
}

func invalid(protocol reservation.Protocol, port int, format string, arguments ...any) error {
	return &reservation.Error{Op: "bind", Protocol: protocol, Range: pool.RangeOf(uint16(port)),
		Err: fmt.Errorf("%w: %s", reservation.ErrInvalid, fmt.Sprintf(format, arguments...))}
}

// A resolvedAddress is a local address; an empty ip is the wildcard.
type resolvedAddress struct {
	ip   net.IP
	zone string
	port int
}

// resolveAddress reads "host:port" as package net does for listeners.
func resolveAddress(ctx context.Context, protocol reservation.Protocol, network, address string) (resolvedAddress, error) {
	if err := checkNetwork(protocol, network); err != nil {
		return resolvedAddress{}, err
	}
	if address == "" {
		return resolvedAddress{}, nil
	}
	host, service, err := net.SplitHostPort(address)
	if err != nil {
		return resolvedAddress{}, invalid(protocol, 0, "%v", err)
	}
	port, err := net.DefaultResolver.LookupPort(ctx, network, service)
	if err != nil {
		return resolvedAddress{}, lookupError(ctx, protocol, err)
	}
	if host == "" {
		return resolvedAddress{port: port}, nil
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		if ip, err = lookupHost(ctx, network, host); err != nil {
			return resolvedAddress{}, lookupError(ctx, protocol, err)
		}
	}
	return resolvedAddress{ip: ip.AsSlice(), zone: ip.Zone(), port: port}, nil
}

// lookupHost returns the host's first IPv4 address, or else its first of the network's family.
func lookupHost(ctx context.Context, network, host string) (netip.Addr, error) {
	family := "ip"
	if last := network[len(network)-1]; last == '4' || last == '6' {
		family += string(last)
	}
	addresses, err := net.DefaultResolver.LookupNetIP(ctx, family, host)
	if err != nil {
		return netip.Addr{}, err
	}
	if len(addresses) == 0 {
		return netip.Addr{}, &net.DNSError{Err: "no suitable address", Name: host, IsNotFound: true}
	}
	first := max(0, slices.IndexFunc(addresses, func(a netip.Addr) bool { return a.Unmap().Is4() }))
	return addresses[first].Unmap(), nil
}

// lookupError tells an argument that names nothing from a resolver that did not answer.
func lookupError(ctx context.Context, protocol reservation.Protocol, err error) error {
	if ctx.Err() != nil {
		return &reservation.Error{Op: "bind", Protocol: protocol, Err: fmt.Errorf("%w: %w", ctx.Err(), err)}
	}
	var dns *net.DNSError
	if errors.As(err, &dns) && !dns.IsNotFound {
		return &reservation.Error{Op: "bind", Protocol: protocol, Err: err}
	}
	return &reservation.Error{Op: "bind", Protocol: protocol, Err: fmt.Errorf("%w: %w", reservation.ErrInvalid, err)}
}
