// Package win32 is the vocabulary that the Windows doors share: error codes with their names and
// texts, the structures and control codes of port reservations, network byte order, and the one
// table from the engine's conditions to codes. Names are those of Microsoft's headers, so that they
// can be searched for. It builds, and says the same, on every system.
//
// The doors are packages reservation/iphlpapi, for the functions of iphlpapi.dll, and
// sockets/winsock, for sockets and their controls.
package win32
