// Package winsock is Winsock for programs that reserve ports, on every system: the names and shapes
// of golang.org/x/sys/windows over a port reservation engine. Code that was written against package
// windows compiles with its import path changed and nothing else:
//
//	import windows "github.com/berthkit/berth/sockets/winsock"
//
// Every function exists twice. As a method of a [Process] it acts for that process; a process has
// its own handles, its own last error, and the privileges of the [reservation.API] that it was made
// of. As a function of the package it acts for the current process. That is this program on its own
// computer, with the store that package reservation/system finds, unless [SetProcess] names
// another; a test makes a simulated one current by [Use].
//
// A process runs on one of two networks. That of a simulated machine (package
// reservation/machine) exchanges data between simulated sockets by the rules of Windows. That of
// [RealNetwork] has real sockets of this computer. Which ports a socket may have is the engine's
// decision on both.
//
// # Errors
//
// A call that fails returns an [Errno], such as WSAEACCES, that can be compared with ==. It is also
// the condition of package reservation that it stands for, for errors.Is. [LastCause] has the whole
// story: who holds the port that was refused.
//
// # What is there
//
// Sockets of UDP and TCP over IPv4 and IPv6: open, control, bind, connect, listen, accept, send,
// receive, options, names, shutdown, close, duplicate; overlapped calls with events, completion
// routines and cancellation. Of package windows' own names in this field these are not there: ConnectEx
// and AcceptEx, WSASendMsg and WSARecvMsg, completion ports, WSADuplicateSocket (see
// [Process.DuplicateInto]), name resolution, multicast groups.
//
// # Goroutines
//
// Everything is safe for concurrent use. What Windows keeps for each thread belongs to the process
// here, because goroutines wander between threads: the last error, and the completion routines that
// wait for an alertable sleep.
//
// # Memory
//
// Lengths that a caller passes beside a pointer are believed as far as the call needs them: a control
// touches as many bytes as its structure has and no more, whatever is claimed. A pointer that is not
// nil and points to less than that is the caller's error, as it is in C.
package winsock
