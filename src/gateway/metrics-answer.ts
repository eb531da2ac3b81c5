/**
 * `GET /metrics` on either listener. It names routes, backends and what they cost, so it is for who may read everybody's usage:
 * a key with the scope `USAGE_READ` whose owner is more than a member.
 */
import { hash } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { authenticate, isRefusal } from '../routing/access.ts'
import type { Snapshot } from '../routing/snapshot.ts'
import type { MetricsReader } from './ports.ts'
import { readHead } from './request-head.ts'

export function isMetricsUrl(url: string | undefined): boolean {
  return url !== undefined && url.startsWith('/metrics') && (url.length === 8 || url[8] === '?')
}

/** Answers a request for the metrics; `needsKey: false` on a listener that only this machine can reach. */
export function answerMetrics(
  request: IncomingMessage,
  response: ServerResponse,
  {
    snapshot,
    read,
    needsKey = true,
  }: { readonly snapshot: Snapshot; readonly read: MetricsReader; readonly needsKey?: boolean },
): void {
  const refusal = refuseMethod(request) ?? (needsKey ? refuseCaller(request, snapshot) : null)
  if (refusal) return answerText(response, refusal.status, refusal.text, refusal.headers)
  read().then(
    ({ contentType, text }) => answerText(response, 200, text, ['content-type', contentType]),
    () => answerText(response, 500, 'the metrics could not be read\n'),
  )
}

interface MetricsRefusal {
  readonly status: number
  readonly text: string
  readonly headers: readonly string[]
}

function refuseMethod({ method }: IncomingMessage): MetricsRefusal | null {
  if (method === 'GET' || method === 'HEAD') return null
  // A body may follow, which nobody is going to read.
  return { status: 405, text: 'only GET\n', headers: ['allow', 'GET, HEAD', 'connection', 'close'] }
}

function refuseCaller(request: IncomingMessage, snapshot: Snapshot): MetricsRefusal | null {
  const { key } = readHead(request.rawHeaders)
  const caller = authenticate(snapshot, key === null ? null : hash('sha256', key, 'hex'), Date.now())
  const text = 'needs a key with the scope USAGE_READ, of an operator or administrator\n'
  if (isRefusal(caller) || !caller.apiKey || !caller.user)
    return { status: 401, text, headers: ['www-authenticate', 'Bearer realm="metrics"'] }
  const mayRead = caller.apiKey.scopes.includes('USAGE_READ') && caller.user.role !== 'MEMBER'
  return mayRead ? null : { status: 403, text, headers: [] }
}

function answerText(response: ServerResponse, status: number, text: string, headers: readonly string[] = []): void {
  const body = Buffer.from(text)
  const own = ['content-length', String(body.length), 'cache-control', 'no-store', 'x-content-type-options', 'nosniff']
  const type = headers.includes('content-type') ? [] : ['content-type', 'text/plain; charset=utf-8']
  response.writeHead(status, [...type, ...headers, ...own]).end(body)
}
