/**
 * `GET /metrics` on either listener. It names routes, backends and what they cost, so it is for who may read everybody's usage:
 * a key with the scope `USAGE_READ` whose owner is more than a member.
 */
import { hash } from 'node:crypto'
import { authenticate, type Caller, isRefusal } from '../../routing/access/authorise.ts'
import type { Snapshot } from '../../routing/config/snapshot.ts'
import type { MetricsReader } from '../ports.ts'

export function isMetricsUrl(url: string | undefined): boolean {
  return url !== undefined && url.startsWith('/metrics') && (url.length === 8 || url[8] === '?')
}

export interface MetricsAnswer {
  readonly status: number
  /** Name, value, name, value, … */
  readonly headers: readonly string[]
  readonly body: Buffer
}

export interface MetricsQuestion {
  readonly method: string
  /** What the caller gave as its key; the first that is known counts. */
  readonly keys: readonly string[]
  readonly snapshot: Snapshot
  readonly read: MetricsReader
  /** False if the operator has set it so: behind a proxy the origin of a request is unknown. */
  readonly needsKey?: boolean
}

/** What a request for the metrics is answered. Never rejects. */
export async function metricsAnswer(question: MetricsQuestion): Promise<MetricsAnswer> {
  const { method, keys, snapshot, read, needsKey = true } = question
  const refusal = refuseMethod(method) ?? (needsKey ? refuseCaller(keys, snapshot) : null)
  if (refusal) return refusal
  try {
    const { contentType, text } = await read()
    return textAnswer(200, text, ['content-type', contentType])
  } catch {
    return textAnswer(500, 'the metrics could not be read\n')
  }
}

function refuseMethod(method: string): MetricsAnswer | null {
  if (method === 'GET' || method === 'HEAD') return null
  return textAnswer(405, 'only GET\n', ['allow', 'GET, HEAD'])
}

function refuseCaller(keys: readonly string[], snapshot: Snapshot): MetricsAnswer | null {
  const caller = callerOf(keys, snapshot)
  const text = 'needs a key with the scope USAGE_READ, of an operator or administrator\n'
  if (!caller?.apiKey || !caller.user) return textAnswer(401, text, ['www-authenticate', 'Bearer realm="metrics"'])
  const mayRead = caller.apiKey.scopes.includes('USAGE_READ') && caller.user.role !== 'MEMBER'
  return mayRead ? null : textAnswer(403, text)
}

function callerOf(keys: readonly string[], snapshot: Snapshot): Caller | null {
  for (const key of keys) {
    const caller = authenticate(snapshot, hash('sha256', key, 'hex'), Date.now())
    if (!isRefusal(caller)) return caller
  }
  return null
}

function textAnswer(status: number, text: string, headers: readonly string[] = []): MetricsAnswer {
  const type = headers.includes('content-type') ? [] : ['content-type', 'text/plain; charset=utf-8']
  const own = ['cache-control', 'no-store', 'x-content-type-options', 'nosniff']
  return { status, headers: [...type, ...headers, ...own], body: Buffer.from(text) }
}
