import type { Gateway } from '../../gateway/gateway.ts'
import type { SpoolState } from '../../gateway/spool/spool.ts'
import type { BackendHealthReport } from '../../routing/health/backend-health.ts'
import type { Backend, Snapshot } from '../../routing/config/snapshot.ts'
import type { CircuitState } from '../../routing/config/vocabulary.ts'
import { type Labels, type MetricFamily, plainFamily, type Sample } from './metric-family.ts'
import { boundedLabel } from './series-table.ts'

const maxPlaces = 500

const circuitValues: Readonly<Record<CircuitState, number>> = { CLOSED: 0, HALF_OPEN: 1, OPEN: 2 }

/** How this process's gateway is now. */
export function gatewayFamilies(options: {
  readonly gateway: Gateway
  readonly snapshot: () => Snapshot
  readonly spool: { state(): SpoolState }
}): MetricFamily[] {
  const { gateway, snapshot, spool } = options
  return [
    plainFamily(
      'gauge',
      'signalbox_requests_in_flight',
      'Requests of clients whose answer is not over.',
      () => gateway.inFlight,
    ),
    {
      name: 'signalbox_attempts_in_flight',
      help: 'Requests to upstreams whose answer is not over.',
      type: 'gauge',
      read: () => inFlightSamples(gateway, snapshot()),
    },
    {
      name: 'signalbox_requests_waiting',
      help: 'Requests that wait for room at a deployment.',
      type: 'gauge',
      read: () => waitingSamples(gateway, snapshot()),
    },
    {
      name: 'signalbox_circuit_state',
      help: 'Health of what was used or checked: 0 closed, 1 half open, 2 open, that is: not chosen.',
      type: 'gauge',
      read: () => circuitSamples(gateway.live.healthReport(), snapshot()),
    },
    {
      name: 'signalbox_credentials_benched',
      help: 'Credentials that a provider has refused lately, and that are not used for now.',
      type: 'gauge',
      read: () => benchSamples(gateway, snapshot()),
    },
    ...spoolFamilies(spool),
    plainFamily(
      'gauge',
      'signalbox_config_version',
      'Version of the configuration that this process serves.',
      () => snapshot().version,
    ),
  ]
}

function spoolFamilies(spool: { state(): SpoolState }): MetricFamily[] {
  return [
    plainFamily(
      'gauge',
      'signalbox_spool_pending_records',
      'Usage records that the database does not have yet.',
      () => spool.state().pending,
    ),
    plainFamily(
      'gauge',
      'signalbox_spool_unsafe_records',
      'Of the pending ones those that are not on disk: the death of this process would lose them.',
      () => spool.state().unsafe,
    ),
    plainFamily('gauge', 'signalbox_spool_bytes', 'Size of the spool on disk.', () => spool.state().bytes),
    plainFamily(
      'counter',
      'signalbox_spool_lost_records_total',
      'Usage records that neither disk nor database took.',
      () => spool.state().lost,
    ),
    plainFamily(
      'gauge',
      'signalbox_usage_complete_timestamp_seconds',
      'All requests that ended here before this instant are in the database.',
      () => spool.state().completeUntilMs / 1000,
    ),
  ]
}

/** Where attempts go: an endpoint, or a provider model. */
function* placesOf(snapshot: Snapshot): Generator<{ readonly id: string; readonly labels: Labels }> {
  for (const backend of snapshot.backends.values()) {
    if (backend.kind === 'providerModel')
      yield { id: backend.id, labels: placeLabels(backend, '', backend.provider.baseUrl) }
    else for (const { id, url } of backend.endpoints) yield { id, labels: placeLabels(backend, id, url) }
  }
}

/** The host of a URL; its path can be a secret. */
function placeLabels({ label }: Backend, endpoint: string, url: string): Labels {
  return { backend: boundedLabel(label), endpoint, server_address: boundedLabel(URL.parse(url)?.host ?? '') }
}

function* inFlightSamples({ live }: Gateway, snapshot: Snapshot): Generator<Sample> {
  const inFlight = live.inFlightReport()
  const places = placesOf(snapshot).filter(({ id }) => inFlight[id] !== undefined)
  for (const { id, labels } of places.take(maxPlaces)) yield { labels, value: inFlight[id]! }
}

/** Only where requests can wait at all; the longest queues if there are too many. */
function waitingSamples({ live }: Gateway, snapshot: Snapshot): Sample[] {
  const samples: Sample[] = []
  for (const backend of snapshot.backends.values()) {
    if (backend.kind !== 'deployment' || backend.queue.maxWaiting === 0) continue
    samples.push({ labels: { backend: boundedLabel(backend.label) }, value: live.waiting(backend.id) })
  }
  return largest(samples)
}

function circuitSamples(health: Readonly<Record<string, BackendHealthReport>>, snapshot: Snapshot): Sample[] {
  const samples: Sample[] = []
  for (const { id, labels } of placesOf(snapshot)) {
    const report = health[id]
    if (report) samples.push({ labels, value: circuitValues[report.circuit] })
  }
  return largest(samples)
}

function benchSamples({ live }: Gateway, snapshot: Snapshot): Sample[] {
  const samples: Sample[] = []
  for (const [, { name, credentials }] of snapshot.providers) {
    if (credentials.length === 0) continue
    const benched = credentials.filter(({ id }) => live.healthOf(id)?.circuit === 'OPEN')
    samples.push({ labels: { provider: boundedLabel(name) }, value: benched.length })
  }
  return largest(samples)
}

function largest(samples: Sample[]): Sample[] {
  if (samples.length <= maxPlaces) return samples
  return samples.sort((a, b) => b.value - a.value).slice(0, maxPlaces)
}
