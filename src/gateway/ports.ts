/** All that the data plane needs from outside. The gateway never sees the database: the server plugs these in. */
import type { Snapshot } from '../routing/snapshot.ts'
import type { UsageRecord } from '../routing/usage-record.ts'

export interface GatewayPorts {
  /** The current snapshot: one read, no wait. */
  readonly snapshot: () => Snapshot
  readonly usage: UsageSink
  /** Whether an upstream may have this address, given as an IP literal (DESIGN § 4.7). */
  readonly isAllowedAddress: (address: string) => boolean
  /** Live gateways that share each `maxInFlight`, this one included; at least 1. */
  readonly gatewayCount: () => number
  readonly log: GatewayLog
}

/** Where a request's usage goes before its answer ends. Never throws, never waits for a database. */
export interface UsageSink {
  /** A request has begun; if this process dies before `append`, its record says `GATEWAY_ERROR`. */
  open(request: OpenRequest): void
  /** `written` is called once the record is safe from the death of this process, or can't be (then that is counted). */
  append(record: UsageRecord, written: () => void): void
}

/** What is known of a request at its start. */
export interface OpenRequest {
  readonly id: string
  readonly startedAtMs: number
  readonly operation: string
  readonly stream: boolean
  readonly requestedModel: string | null
  readonly routeId: string | null
  readonly routeName: string | null
  readonly routeRevision: number | null
  readonly apiKeyId: string | null
  readonly apiKeyName: string | null
  readonly userId: string | null
  readonly userName: string | null
}

/** The part of a pino logger that the gateway uses. */
export interface GatewayLog {
  debug(fields: object, message: string): void
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}
