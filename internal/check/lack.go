package check

// Lack is what this machine lacked where a Result is Unchecked.
type Lack string

// What a machine may lack.
const (
	LacksFileDescriptors    Lack = "file_descriptors"
	LacksPorts              Lack = "ports"
	LacksMemory             Lack = "memory"
	LacksAddressFamily      Lack = "address_family"
	LacksConnectionTracking Lack = "connection_tracking"
	LacksOther              Lack = "other"
)
