import { formatId } from '../../src/routing/config/object-id.ts'
import type { UsageRecord } from '../../src/routing/usage/record.ts'

let made = 0

/** A finished request with a new id; what `overrides` leaves out is the same in all of them. */
export function usageRecord(overrides: Partial<UsageRecord> = {}): UsageRecord {
  const startedAtMs = overrides.startedAtMs ?? Date.UTC(2026, 10, 22, 10, 15, 30, 123)
  return {
    id: requestId(startedAtMs),
    startedAtMs,
    operation: '/v1/chat/completions',
    stream: false,
    requestedModel: 'chat',
    routeId: 'rte_1',
    routeName: 'chat',
    routeRevision: 1,
    apiKeyId: 'key_1',
    apiKeyName: 'app',
    userId: 'usr_1',
    userName: 'admin',
    targetId: 'tgt_1',
    backendId: 'dep_1',
    backendLabel: 'llama',
    providerId: null,
    providerName: null,
    deploymentId: 'dep_1',
    deploymentName: 'llama',
    outcome: 'OK',
    status: 200,
    errorCode: null,
    attempts: [
      {
        targetId: 'tgt_1',
        backendId: 'dep_1',
        backendLabel: 'llama',
        endpointId: 'end_1',
        endpointUrl: 'http://10.0.0.7:8000/v1',
        isFallback: false,
        status: 200,
        trigger: null,
        durationMs: 90,
        credentialHint: null,
        error: null,
        upstreamRequestId: null,
      },
    ],
    provenance: 'REPORTED',
    tokens: { inputTokens: 10, cachedInputTokens: 4, cacheWriteTokens: 3, outputTokens: 5, reasoningTokens: 2 },
    images: null,
    audioSeconds: null,
    characters: null,
    serviceTier: null,
    cost: '0.00001725',
    firstByteMs: 40,
    durationMs: 100,
    overheadMs: 0.3,
    ...overrides,
  }
}

/** An id as the gateway makes them: ordered by the request's beginning, then by the order of the calls here. */
function requestId(startedAtMs: number): string {
  const random = Buffer.alloc(10)
  random.writeUInt32BE(process.pid, 0)
  random.writeUInt32BE(made++, 6)
  return formatId('RequestLog', startedAtMs, random)
}
