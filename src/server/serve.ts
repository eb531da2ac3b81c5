import type { FirstAdministrator } from '../control/user/first-administrator.ts'
import { openControlPlane } from './assembly/control-plane.ts'
import { openDataPlane } from './assembly/data-plane.ts'
import { openKept } from './assembly/kept.ts'
import { goOnline, untilServable } from './assembly/online.ts'
import { openReporting } from './assembly/reporting.ts'
import type { Config } from './configuration/config.ts'
import type { Log } from './log/log.ts'
import { createApiMetrics } from './metrics/api-metrics.ts'
import { readTrustedDocuments } from './configuration/trusted-documents.ts'
import { createUpstreamPolicy, isLoopbackHost } from './upstream/policy.ts'

/** What is last said to the database at the end must not keep the process: it may hang. */
const lastWordsMs = 3_000

/** The running product. Disposing ends it at once; `drain` before that loses no request. */
export interface Served extends AsyncDisposable {
  readonly apiUrl: string
  readonly gatewayUrl: string
  /** What the start did about the administrator's key; comes late if the database does. */
  readonly firstAdministrator: Promise<FirstAdministrator>
  /** Readiness goes off, nothing new is taken, and what is in flight ends, at the latest after the configured time. */
  drain(): Promise<void>
}

export interface ServeOptions {
  readonly version: string
  /** Ends the wait for a database that is away. */
  readonly signal: AbortSignal
}

/**
 * Opens everything, from the database to the two listeners, in the order of their needs; what was opened is closed in the
 * opposite order, also if a later step fails. Throws `StartError` with what to do if it cannot start.
 */
export async function serve(config: Config, log: Log, { version, signal }: ServeOptions): Promise<Served> {
  await using opened = new AsyncDisposableStack()
  const policy = createUpstreamPolicy({ allow: config.upstreamAllow, apiIsLoopback: isLoopbackHost(config.api.host) })
  const { trustedDocumentsDir } = config
  const trusted = trustedDocumentsDir === undefined ? undefined : await readTrustedDocuments(trustedDocumentsDir)
  const apiMetrics = createApiMetrics()

  const kept = opened.use(await openKept(config, { version, log }))
  // A start that was cut short has queries that nobody needs any more.
  let isServed = false
  opened.defer(() => {
    if (!isServed) kept.persistence.abandon()
  })
  const reporting = opened.use(openReporting(kept, log))
  const dataPlane = opened.use(await openDataPlane(config, { kept, reporting, policy, apiMetrics, version, log }))
  const online = opened.use(goOnline({ kept, reporting, dataPlane, policy, log, signal }))
  await untilServable(online, kept, log)
  const controlPlane = opened.use(
    await openControlPlane(config, { kept, reporting, dataPlane, online, policy, trusted, apiMetrics, log }),
  )
  const gatewayUrl = await dataPlane.listen()
  // With both ports in hand: a start that fails for a port must not have made a key that nobody has seen.
  const firstAdministrator = controlPlane.administer()
  if (!kept.isKnown) await firstAdministrator

  isServed = true
  const stack = opened.move()
  return {
    apiUrl: controlPlane.url,
    gatewayUrl,
    firstAdministrator,
    async drain() {
      await Promise.all([dataPlane.gateway.drain(), controlPlane.drain(config.drainTimeoutMs)])
    },
    async [Symbol.asyncDispose]() {
      const late = setTimeout(() => kept.persistence.abandon(), lastWordsMs)
      await stack.disposeAsync().finally(() => clearTimeout(late))
    },
  }
}
