import { noUnits, type UsageRecord } from '../../routing/usage/record.ts'
import type { RequestStart } from '../ports.ts'

/** The record of a request whose gateway died before the request ended, at `diedAtMs` (milliseconds since the epoch). */
export function abandonedRecord(request: RequestStart, diedAtMs: number): UsageRecord {
  return {
    ...request,
    targetId: null,
    backendId: null,
    backendLabel: null,
    providerId: null,
    providerName: null,
    deploymentId: null,
    deploymentName: null,
    outcome: 'GATEWAY_ERROR',
    status: 500,
    errorCode: null,
    attempts: [],
    provenance: 'NONE',
    tokens: null,
    ...noUnits,
    serviceTier: null,
    cost: null,
    firstByteMs: null,
    durationMs: Math.max(0, Math.round(diedAtMs - request.startedAtMs)),
    overheadMs: 0,
  }
}
