package source

// agentOptions are the options that are legal in a file of the Datadog Agent's tcp_check and have
// no effect here, each with the reason, by what has them.
var agentOptions = map[string]map[string]string{
	"an instance": {
		"disable_generic_tags":             "which tags there are is said by the attributes of each metric",
		"enable_legacy_tags_normalization": "tags are sent as they are written",
		"max_returned_metrics":             "an instance has a few series for each of its addresses, and no more",
		"namespace":                        "the metrics have no other names",
		"no_index":                         "that is for Datadog's pipeline to say",
		"loader":                           "this is no check of the Agent",
		"proxy":                            "a TCP check has no proxy",
		"skip_proxy":                       "a TCP check has no proxy",
		"tag_by":                           "it is for checks of Windows' performance counters",
	},
	"init_config": {
		"loader":                  "this is no check of the Agent",
		"min_collection_interval": "the Agent has not read it there since version 6; write it at the instances, or as collection_interval",
		"proxy":                   "a TCP check has no proxy",
		"skip_proxy":              "a TCP check has no proxy",
		"tag_by":                  "it is for checks of Windows' performance counters",
	},
	"the file":     besideInstances,
	"the receiver": besideInstances,
}

// Ignored returns the options of the Datadog Agent's tcp_check that have no effect here, each with the reason, by what
// has them: an instance, init_config, and the receiver or a file. Nobody changes them.
func Ignored() (ofInstance, ofInitConfig, besideInstances map[string]string) {
	return agentOptions["an instance"], agentOptions["init_config"], agentOptions["the receiver"]
}

// besideInstances are those beside the instances.
var besideInstances = map[string]string{
	"ad_identifiers":            "receiver_creator starts checks for what it finds",
	"advanced_ad_identifiers":   "receiver_creator starts checks for what it finds",
	"cel_selector":              "receiver_creator starts checks for what it finds",
	"check_tag_cardinality":     "no tags are found",
	"cluster_check":             "each collector checks its own list",
	"docker_images":             "receiver_creator starts checks for what it finds",
	"ignore_autodiscovery_tags": "no tags are found",
	"jmx_metrics":               "it is for checks of Java",
	"logs":                      "a log is another receiver's, such as file_log",
}
