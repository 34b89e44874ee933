# make help lists the targets; CONTRIBUTING.md says more of them.

GO ?= go
TOOL = $(GO) tool -modfile=$(CURDIR)/tools/go.mod
COLLECTOR = build/collector/tcpcheck-collector
PROMETHEUS = build/prometheus
DATADOG = build/datadog/tcpcheck-collector-datadog
DISCOVERY = build/collector-discovery/tcpcheck-collector-discovery
CONTRIB = build/collector-contrib/tcpcheck-collector-contrib
ALLOCATOR = build/otel-allocator
KUBERNETES = build/kube-apiserver
HELM = build/helm
SOURCES = $(shell find . \( -name '*.go' -o -path './extension/*/assets/*' -o -path './extension/*/go.*' \) -type f -not -name '*_test.go' -not -path './build/*' -not -path './cmd/*' -not -path './e2e/*')
STATUS = extension/tcpcheckstatus
FUZZTIME ?= 5s
SOAKTIME ?= 10m
RELOADS ?= 9

.DEFAULT_GOAL = test
.PHONY: help check run collector test unit coverage e2e e2e-fleet e2e-prometheus e2e-datadog e2e-scaling e2e-kubernetes e2e-contrib compat configs without-ipv6 lowest-go faults editor status trace tls quiet dialog accuracy soak soak-tracked bench profile
.PHONY: benchmarks picture fuzz mutants distribution-discovery distribution-datadog distribution-datadog-modules generate generated release e2e-release lint vet tidy clean

help: ## list the targets
	@sed -n 's/^\([a-z][a-z0-9-]*\):.*## \(.*\)/\1\t\2/p' Makefile | expand -t 32

check: ## check TARGETS='host:port ...' once, over every address family
	@$(GO) -C cmd/tcpcheck build -o $(CURDIR)/build/tcpcheck .
	@build/tcpcheck $(TARGETS)

run: $(COLLECTOR) ## build a collector and check real ports with it
	@echo 'The status page is at http://localhost:9465/ as soon as the collector runs.'
	$(COLLECTOR) --config examples/quickstart.yaml

collector: $(COLLECTOR) ## build the collector

$(COLLECTOR): builder-config.yaml go.mod go.sum $(SOURCES)
	mkdir -p build
	$(TOOL) builder --config builder-config.yaml

# The builds wait for downloads, so they run side by side.
test: ## all tests that need no special rights
	$(MAKE) --jobs=2 --output-sync=target collector unit
	$(MAKE) e2e

unit: ## the unit tests
	$(GO) test -race ./...
	cd cmd/tcpcheck && $(GO) test -race ./...
	cd $(STATUS) && $(GO) test -race ./...

# Of the statements of the receiver, its generated code aside, at least 80 in 100 are to be run by the unit tests.
coverage: ## what the unit tests cover; fails below 80 %
	mkdir -p build
	$(GO) test -coverpkg=$$($(GO) list ./... | grep -v -e metadata -e testnet -e test$$ | paste -sd,) -coverprofile=build/coverage ./... >build/coverage.log || { cat build/coverage.log; exit 1; }
	$(GO) tool cover -func=build/coverage | awk 'END { print $$NF " of the statements are covered"; exit $$NF + 0 < 80 }'
	cd $(STATUS) && $(GO) test -coverprofile=$(CURDIR)/build/coverage-status . >$(CURDIR)/build/coverage.log || { cat $(CURDIR)/build/coverage.log; exit 1; }
	cd $(STATUS) && $(GO) tool cover -func=$(CURDIR)/build/coverage-status | awk 'END { print $$NF " of those of the status page"; exit $$NF + 0 < 80 }'

# The collector as a process. Tests that need root skip with a reason.
e2e: $(COLLECTOR) ## the collector as a process
	cd e2e && COLLECTOR=$(CURDIR)/$(COLLECTOR) $(GO) test -race -count=1 -skip '^TestFleet' .

# make test and make run on a machine without IPv6. Needs root.
without-ipv6: ## make test and make run on a machine without IPv6 (root)
	unshare --net e2e/without-ipv6.sh $(MAKE)

# Two agents, a gateway and a service on machines of their own. Needs root.
e2e-fleet: $(COLLECTOR) ## two agents, a gateway and a service, and cables that are cut (root)
	cd e2e && COLLECTOR=$(CURDIR)/$(COLLECTOR) $(GO) test -race -count=1 -v -run '^TestFleet' .

# Every test of the receiver with other releases of the collector. make unit has the modules of
# go.mod, of v0.155.0, and make e2e the collector of builder-config.yaml. Here the unit tests have the modules
# of that one and of the distribution with discovery, as the builder has compiled them, and
# the end-to-end tests the collector for Datadog, which is of v0.155.0, and the one with discovery. Needs root.
compat: $(COLLECTOR) $(DISCOVERY) $(DATADOG) ## the tests of the receiver with other releases of the collector (root)
	cd $(dir $(COLLECTOR)) && CGO_ENABLED=0 $(GO) test -mod=mod -trimpath -count=1 example.com/tcpcheckreceiver/...
	cd $(dir $(DISCOVERY)) && CGO_ENABLED=0 $(GO) test -mod=mod -trimpath -tags remove_all_sd,enable_puppetdb_sd -count=1 example.com/tcpcheckreceiver/...
	cd e2e && COLLECTOR=$(CURDIR)/$(DATADOG) $(GO) test -race -count=1 .
	cd e2e && COLLECTOR=$(CURDIR)/$(DISCOVERY) $(GO) test -race -count=1 .

# One list for several collectors, by Prometheus' hashmod. The Target Allocator and the elector are
# in e2e-kubernetes.
e2e-scaling: $(COLLECTOR) ## several collectors that share out one list
	cd e2e && COLLECTOR=$(CURDIR)/$(COLLECTOR) $(GO) test -race -count=1 -v ./scaling

# About 4 minutes without a build cache.
$(ALLOCATOR): tools/allocator/go.mod tools/allocator/go.sum
	mkdir -p build
	cd tools/allocator && $(GO) build -ldflags="-s -w" -o $(CURDIR)/$@ github.com/open-telemetry/opentelemetry-operator/cmd/otel-allocator

# The manifests, the chart, discovery, and collectors that share out a list, with etcd and the API server of
# Kubernetes. Needs root, and etcd, which .ci/run installs.
e2e-kubernetes: $(COLLECTOR) $(DISCOVERY) $(ALLOCATOR) $(KUBERNETES) $(HELM) ## what is shipped for Kubernetes, with its API server (root)
	cd e2e && COLLECTOR=$(CURDIR)/$(COLLECTOR) COLLECTOR_DISCOVERY=$(CURDIR)/$(DISCOVERY) ALLOCATOR=$(CURDIR)/$(ALLOCATOR) \
		KUBE_APISERVER=$(CURDIR)/$(KUBERNETES) KUBECTL=$(CURDIR)/build/kubectl HELM=$(CURDIR)/$(HELM) \
		$(GO) test -race -count=1 -v ./kubernetes

# The version is said to who asks, such as helm.
$(KUBERNETES): tools/kubernetes/go.mod tools/kubernetes/go.sum
	mkdir -p build
	cd tools/kubernetes && $(GO) build -ldflags="-s -w -X k8s.io/component-base/version.gitVersion=$$($(GO) list -m -f '{{.Version}}' k8s.io/kubernetes)" \
		-o $(CURDIR)/build/ k8s.io/kubernetes/cmd/kube-apiserver k8s.io/kubernetes/cmd/kubectl

$(HELM): tools/helm/go.mod tools/helm/go.sum
	mkdir -p build
	cd tools/helm && $(GO) build -ldflags="-s -w" -o $(CURDIR)/$@ helm.sh/helm/v4/cmd/helm

# Beside contrib's TCP check receiver, and with its metrics.
e2e-contrib: $(CONTRIB) $(DISCOVERY) ## the receiver beside contrib's
	cd e2e && COLLECTOR_CONTRIB=$(CURDIR)/$(CONTRIB) COLLECTOR_DISCOVERY=$(CURDIR)/$(DISCOVERY) $(GO) test -race -count=1 ./contrib

$(CONTRIB): distributions/contrib/builder-config.yaml go.mod go.sum $(SOURCES)
	mkdir -p build
	$(TOOL) builder --config $<

# Every collector configuration that is shipped, in the distribution that it is for.
configs: $(COLLECTOR) $(DISCOVERY) $(DATADOG) ## every shipped configuration, in the distribution that it is for
	cd e2e && COLLECTOR=$(CURDIR)/$(COLLECTOR) COLLECTOR_DISCOVERY=$(CURDIR)/$(DISCOVERY) COLLECTOR_DATADOG=$(addprefix $(CURDIR)/,$(DATADOG)) \
		$(GO) test -race -count=1 -v ./configs

# About 8 minutes without a build cache.
distribution-discovery: $(DISCOVERY) ## build the distribution with discovery

$(DISCOVERY): distributions/discovery/builder-config.yaml go.mod go.sum $(SOURCES)
	mkdir -p build
	$(TOOL) builder --config $<

# The distribution with the Datadog exporter: about 8 minutes without a build
# cache. Its modules are those that distributions/datadog/go.mod records.
distribution-datadog: $(DATADOG) ## build the distribution with the Datadog exporter

$(DATADOG): $(wildcard distributions/datadog/*) go.mod go.sum $(SOURCES)
	mkdir -p build/datadog
	cp distributions/datadog/go.mod distributions/datadog/go.sum build/datadog
	$(TOOL) builder --config distributions/datadog/builder-config.yaml --skip-compilation --skip-get-modules
	cd build/datadog && CGO_ENABLED=0 $(GO) build -trimpath -ldflags="-s -w" -o $(@F) .

# Writes distributions/datadog/go.mod and go.sum anew, after a change of the
# builder's configuration, with the builder of that release, which asks for the collector
# of its own. The builder's go mod tidy is let fail: it also asks for
# modules that only tests of the exporter's dependencies import, and some of those
# have no checksum.
distribution-datadog-modules: ## record its modules anew
	mkdir -p build/datadog
	-$(GO) run go.opentelemetry.io/collector/cmd/builder@v0.155.0 --config distributions/datadog/builder-config.yaml --skip-compilation
	cd build/datadog && for os in linux darwin windows; do \
		CGO_ENABLED=0 GOOS=$$os $(GO) list -mod=mod -deps . >/dev/null || exit; \
	done
	cp build/datadog/go.mod build/datadog/go.sum distributions/datadog

# That distribution as a process, and what arrives at Datadog's intake.
e2e-datadog: $(DATADOG) ## what arrives at Datadog's intake
	cd e2e && COLLECTOR=$(CURDIR)/$(DATADOG) $(GO) test -race -count=1 ./datadog

# The table of faults, and the test peers that it is made with. Needs root.
faults: ## the table of faults (root)
	cd e2e && $(GO) test -race -count=1 ./faults ./peers ./dnsserver ./soak

# What an editor makes of the schemas: the language server that the common editors run. Needs node and npm.
editor: ## completion and diagnosis in an editor (node, npm)
	cd e2e/editor && npm ci --ignore-scripts --no-audit --no-fund
	cd e2e && $(GO) test -race -count=1 ./editor

# The status page in chromium, which .ci/run installs, by the rules of axe-core; with 10,000 targets, of which it logs
# how long the page takes; and in a terminal. Needs root, node and npm.
status: $(COLLECTOR) ## the status page in a real browser, and with 10,000 targets (root, chromium, node, npm)
	cd e2e/status && npm ci --ignore-scripts --no-audit --no-fund
	cd e2e && COLLECTOR=$(CURDIR)/$(COLLECTOR) $(GO) test -race -count=1 -v ./status

# What tcpcheck --trace tells of ways through chains of network namespaces. The tests wait for
# most of their time. Needs root.
trace: ## the way to a port, in chains of network namespaces (root)
	cd e2e && $(GO) test -race -count=1 -parallel 8 ./trace

# What is told of what a server does where a client expects TLS. The tests wait for most of their
# time. Needs openssl and nginx, which .ci/run installs.
tls: ## the table of TLS situations
	cd e2e && $(GO) test -race -count=1 -parallel 16 ./tls

# What the servers that people check log of a plain check and of a quiet one. Needs root, and
# these servers, which .ci/run installs.
quiet: ## what real servers log of a check (root)
	cd e2e && $(GO) test -race -count=1 ./quiet -all

# The examples of docs/dialogues.md with these servers, and what fails with them. The tests wait for
# most of their time. Needs root.
dialog: ## dialogues with real servers, and the documented examples of them (root)
	cd e2e && $(GO) test -race -count=1 ./dialog -all

# How true the response times are under load. Needs root.
accuracy: ## how true the response times are under load (root)
	cd e2e && $(GO) test -count=1 -v -timeout 0 ./accuracy -loopback 10000 -peer 2000

# Ten minutes of change, of which docs/reliability.md tells. Needs root.
soak: $(COLLECTOR) ## ten minutes in which targets, names and configuration keep changing (root)
	cd e2e && COLLECTOR=$(CURDIR)/$(COLLECTOR) $(GO) test -count=1 -v -timeout 0 -run TestSoak ./soak \
		-duration $(SOAKTIME) -reloads $(RELOADS) $(if $(filter 10m-9,$(SOAKTIME)-$(RELOADS)),-update)

# Ten minutes in which the checks themselves fill the table of tracked connections half of the
# time, and three of quiet checks, which do not. Needs root of the machine itself, which tracks
# no more than 4,096 connections meanwhile (nf_conntrack_max), in all of its network namespaces.
soak-tracked: ## ten minutes with a full table of tracked connections (root)
	cd e2e && $(GO) test -count=1 -v -timeout 0 -run TestTrackedConnections ./soak -tracked $(SOAKTIME)

# What a check costs, beside the bare system calls and net.Dialer. Needs root.
bench: $(COLLECTOR) $(DATADOG) ## what a check costs, beside the bare system calls and net.Dialer (root)
	cd e2e && COLLECTOR=$(CURDIR)/$(COLLECTOR) COLLECTOR_DATADOG=$(addprefix $(CURDIR)/,$(DATADOG)) $(GO) test -count=1 -v -timeout 0 ./bench \
		-targets 10000,100000 -waits -tls -million 3m

# Where the receiver's time goes, with 10,000 targets that are up. Needs root.
profile: ## where the receiver's time goes (root)
	mkdir -p build
	rm -f build/cpu.*
	cd e2e && $(GO) test -c -o ../build/bench ./bench
	build/bench -targets 10000 -states up -rounds 3 -cpuprofile build/cpu
	$(GO) tool pprof -top -nodecount=15 build/bench build/cpu.*

# The benchmarks of the hot functions, six times each, with their spread. To compare
# with those of another commit, keep build/benchmarks.txt of that one and run
# "go tool -modfile=tools/go.mod benchstat OLD NEW".
benchmarks: ## the benchmarks of the hot functions, with their spread
	mkdir -p build
	$(GO) test -run '^$$' -bench . -count 6 -benchtime 0.3s . ./internal/... > build/benchmarks.txt
	$(TOOL) benchstat build/benchmarks.txt

# The collector, scraped by a real Prometheus server, and the blackbox exporter beside it,
# which .ci/run installs. What needs root skips with a reason.
e2e-prometheus: $(COLLECTOR) $(PROMETHEUS) ## the collector with a real Prometheus server
	cd e2e && $(WITH_PROMETHEUS) $(GO) test -race -count=1 ./prometheus -all

# Draws docs/outage.svg of what the server has: four minutes.
picture: $(COLLECTOR) $(PROMETHEUS) ## draw docs/outage.svg of a server's data
	cd e2e && $(WITH_PROMETHEUS) $(GO) test -count=1 ./prometheus -run TestPicture -update

WITH_PROMETHEUS = COLLECTOR=$(CURDIR)/$(COLLECTOR) PROMETHEUS=$(CURDIR)/$(PROMETHEUS) PROMTOOL=$(CURDIR)/build/promtool

# Without the discovery of targets in clouds, whose libraries are most of it.
$(PROMETHEUS): tools/prometheus/go.mod tools/prometheus/go.sum
	mkdir -p build
	cd tools/prometheus && $(GO) build -tags remove_all_sd -o $(CURDIR)/build/ \
		github.com/prometheus/prometheus/cmd/prometheus github.com/prometheus/prometheus/cmd/promtool

# New inputs for the fuzz tests, of which make unit runs the committed ones. go test
# fuzzes one target at a time, and compiles all anew for it.
FUZZ = $(GO) test -run '^$$' -fuzztime $(FUZZTIME) -fuzzminimizetime 10x -fuzz
fuzz: ## new inputs for the fuzz tests
	$(FUZZ) FuzzConfig ./internal/factory
	$(FUZZ) FuzzFound ./internal/source
	$(FUZZ) FuzzAllocated ./internal/source
	$(FUZZ) FuzzObserved ./internal/source
	$(FUZZ) FuzzHTTPAnswer ./internal/source
	$(FUZZ) FuzzErrorType ./internal/probe
	$(FUZZ) FuzzDNSAnswer ./internal/probe
	$(FUZZ) FuzzDialog ./internal/probe
	$(FUZZ) FuzzTLSAnswer ./internal/probe
	cd $(STATUS) && $(FUZZ) FuzzRequest .

# Mutation tests: gremlins changes each operator in turn, and sees whether a test of that
# room fails. It tells of each mutant that lives or hangs, of how many die (efficacy), and go test
# of how many statements the tests cover. CONTRIBUTING.md has the figures. The tests run
# each time, since the time that they take is what tells a mutant that hangs.
GREMLINS = build/gremlins
ROOMS ?= $(wildcard $(addprefix internal/,check source socket probe trace schedule state report receiver factory))
MUTANTS = $(CURDIR)/$(GREMLINS) unleash --workers 1 --timeout-coefficient 4 --output-statuses lt \
	--exclude-files '_(other|windows|test)\.go$$' --exclude-files '^(internal|e2e|tools|build|reporttest)/'
mutants: $(GREMLINS) ## mutation tests of each room, or of ROOMS=internal/probe (3 s a mutant)
	for room in $(ROOMS); do \
		echo "$$room:" && $(GO) test -count=1 -cover "./$$room" && \
		GO="$$(command -v $(GO))" GOFLAGS="-count=1 -vet=off" PATH="$(CURDIR)/tools/gremlins/bin:$$PATH" $(MUTANTS) "./$$room" || exit; \
	done

$(GREMLINS): tools/gremlins/go.mod tools/gremlins/go.sum
	mkdir -p build
	cd tools/gremlins && $(GO) build -o $(CURDIR)/build/ github.com/go-gremlins/gremlins/cmd/gremlins

# The generator names a package after its folder, so it is given a path that
# ends in the package's name, whatever the checkout is called.
generate: ## generate what comes from metadata.yaml, the schemas and docs/options.md, and the manual page of the command
	mkdir -p build
	ln -sfn .. build/tcpcheckreceiver
	$(TOOL) mdatagen build/tcpcheckreceiver/metadata.yaml
	$(GO) -C cmd/tcpcheck test -count=1 -run '^TestManual$$' . -update
	$(GO) run ./internal/schema

# Fails if the generated files are not those that metadata.yaml, the options and the command ask for.
GENERATED = documentation.md docs/options.md '*generated_*' internal/metadata 'cmd/tcpcheck/*.1' '*.schema.json'
generated: generate ## fail if that is not what is committed
	git diff --exit-code -- $(GENERATED)
	test -z "$$(git ls-files --others --exclude-standard -- $(GENERATED))"

# The receiver builds with the lowest Go that go.mod allows, which users may have.
lowest-go: ## build with the lowest Go that go.mod allows
	export GOTOOLCHAIN=go$$($(GO) list -m -f '{{.GoVersion}}') && $(GO) build ./... && $(GO) vet ./... && $(GO) -C cmd/tcpcheck vet ./... && $(GO) -C $(STATUS) vet ./...

# A release is of a tag such as v1.2.3, and the same byte for byte whenever and wherever the
# same version of Go makes it. Without a tag, it is one of development.
VERSION ?= $(or $(patsubst v%,%,$(shell git describe --exact-match --match 'v*' --tags 2>/dev/null)),0.1.0-dev)
REVISION ?= $(shell git rev-parse HEAD)
SOURCE_DATE_EPOCH ?= $(shell git show -s --format=%ct HEAD)
RELEASE = -version '$(VERSION)' -revision '$(REVISION)' -time '$(SOURCE_DATE_EPOCH)'
release: ## archives, packages, an image, bills of materials and their sums, in build/release
	$(GO) -C tools/release run . -root $(CURDIR) $(RELEASE)

# A release is built again in another folder, and installed. What needs root skips with a reason.
e2e-release: release ## a release, built twice, installed, upgraded and removed (root for most)
	cd e2e && $(GO) test -race -count=1 -v ./release

lint: ## golangci-lint
	$(TOOL) golangci-lint run ./...
	cd cmd/tcpcheck && $(TOOL) golangci-lint run ./...
	cd $(STATUS) && $(TOOL) golangci-lint run ./...
	cd e2e && $(TOOL) golangci-lint run ./...
	cd tools/release && $(TOOL) golangci-lint run ./...

vet: ## go vet for Linux, macOS and Windows
	for os in linux darwin windows; do GOOS=$$os $(GO) vet ./... && GOOS=$$os $(GO) -C cmd/tcpcheck vet ./... && GOOS=$$os $(GO) -C $(STATUS) vet ./... || exit; done
	cd e2e && $(GO) vet ./...

tidy: ## tidy all modules
	$(GO) mod tidy
	cd cmd/tcpcheck && $(GO) mod tidy
	cd $(STATUS) && $(GO) mod tidy
	cd e2e && $(GO) mod tidy
	cd tools && $(GO) mod tidy
	cd tools/prometheus && $(GO) mod tidy
	cd tools/gremlins && $(GO) mod tidy
	cd tools/allocator && $(GO) mod tidy
	cd tools/kubernetes && $(GO) mod tidy
	cd tools/helm && $(GO) mod tidy
	cd tools/release && $(GO) mod tidy

clean: ## remove what was built
	rm -rf build
