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
	LacksSourceAddress      Lack = "source_address" // the one from which it is to connect
	LacksInterface          Lack = "interface"      // the one over which it is to connect
	LacksCertificates       Lack = "certificates"   // the roots or the certificate that a TLS client is to have
	LacksOther              Lack = "other"
)
