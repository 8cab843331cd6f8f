package netsh

import (
	"slices"
	"strings"
)

// The words that lead to the commands of this package.
const (
	wordInterface = "interface"
	wordHelp      = "help"

	verbAdd    = "add"
	verbDelete = "delete"
	verbSet    = "set"
	verbShow   = "show"

	objectExcluded = "excludedportrange"
	objectDynamic  = "dynamicportrange"
)

// families are the contexts below interface that the commands are in. Both mean the same: the ports
// of IPv4 and IPv6 are one (rule N2).
var families = []string{"ipv4", "ipv6"}

// aliases are words that stand for others whatever they are the beginning of.
var aliases = map[string]string{"ip": "ipv4"}

// The words that Windows 11 knows in each place, so that what is a unique abbreviation there is one
// here, and what is ambiguous there is here too. The objects of ipv4 and ipv6 stand together, since
// taking in those of the other family makes no abbreviation of ours ambiguous.
//
// Source: https://learn.microsoft.com/windows-server/administration/windows-commands/netsh and
// https://learn.microsoft.com/windows-server/administration/windows-commands/netsh-interface
var (
	topWords = []string{
		"add", "advfirewall", "branchcache", "bridge", "delete", "dhcpclient", "dnsclient", "dump", "exec",
		wordHelp, "http", wordInterface, "ipsec", "lan", "mbn", "namespace", "netio", "nlm", "p2p", "ras", "rpc",
		"set", "show", "trace", "wcn", "wfp", "winhttp", "winsock", "wlan",
	}
	interfaceWords = []string{
		"6to4", "clat", "dump", "fl48", "fl68", wordHelp, "httpstunnel", "ipv4", "ipv6", "isatap", "portproxy",
		"set", "show", "tcp", "teredo", "udp",
	}
	familyWords = []string{
		verbAdd, verbDelete, "dump", wordHelp, "install", "reset", verbSet, verbShow, "uninstall",
	}
	objectWords = map[string][]string{
		verbAdd: {
			"address", "dnsservers", objectExcluded, "neighbors", "potentialrouter", "prefixpolicy", "route",
			"v6v4tunnel", "winsservers",
		},
		verbDelete: {
			"address", "arpcache", "destinationcache", "dnsservers", objectExcluded, "interface", "neighbors",
			"potentialrouter", "prefixpolicy", "route", "winsservers",
		},
		verbSet: {
			"address", "compartment", "dnsservers", objectDynamic, "global", "interface", "neighbors",
			"prefixpolicy", "privacy", "route", "slaacsecretkey", "subinterface", "teredo", "winsservers",
		},
		verbShow: {
			"addresses", "compartments", "config", "destinationcache", "dnsservers", objectDynamic,
			objectExcluded, "global", "icmpstats", "interfaces", "ipaddresses", "ipnettomedia", "ipstats", "joins",
			"neighbors", "offload", "potentialrouters", "prefixpolicies", "privacy", "route", "siteprefixes",
			"slaacsecretkey", "subinterfaces", "tcpconnections", "tcpstats", "teredo", "tfofallback",
			"udpconnections", "udpstats", "winsservers",
		},
	}
)

// match returns the words that text abbreviates: the one that it equals, or else all that it begins,
// in whatever case. An empty text abbreviates nothing.
//
// Source: https://learn.microsoft.com/previous-versions/windows/desktop/netshell/netshell-and-command-abbreviation
func match(text string, words []string) []string {
	text = strings.ToLower(text)
	if text == "" {
		return nil
	}
	if alias, known := aliases[text]; known && slices.Contains(words, alias) {
		return []string{alias}
	}
	if slices.Contains(words, text) {
		return []string{text}
	}
	var found []string
	for _, word := range words {
		if strings.HasPrefix(word, text) {
			found = append(found, word)
		}
	}
	return found
}

// isQuestion reports whether an argument asks for help.
func isQuestion(text string) bool { return text == "?" || text == "/?" || text == "-?" }
