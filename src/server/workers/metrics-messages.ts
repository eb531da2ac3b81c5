/** A worker and its primary ask one another for metrics: the worker for those of all, the primary for the worker's own. */
import { randomUUID } from 'node:crypto'

/** The other process, as Node has it: `process` in a worker, a `Worker` in the primary. */
export interface MetricsConnection {
  isConnected(): boolean
  send(message: object, sent: (error: Error | null) => void): unknown
  on(event: 'message', listener: (message: unknown) => void): unknown
  off(event: 'message', listener: (message: unknown) => void): unknown
}

interface MetricsQuestion {
  readonly kind: 'metricsQuestion'
  readonly id: string
}

interface MetricsAnswer {
  readonly kind: 'metricsAnswer'
  readonly id: string
  readonly text: string | null
}

/** Less than a scrape's usual time: a worker that hangs must not cost the others their place on the page. */
const patienceMs = 3_000

/** What the other process answers; null if it does not. */
export async function askForMetrics(peer: MetricsConnection, waitMs = patienceMs): Promise<string | null> {
  if (!peer.isConnected()) return null
  const { promise, resolve } = Promise.withResolvers<string | null>()
  const id = randomUUID()
  const listen = (message: unknown) => {
    if (isOfKind<MetricsAnswer>(message, 'metricsAnswer') && message.id === id) resolve(message.text)
  }
  peer.on('message', listen)
  const late = setTimeout(resolve, waitMs, null)
  peer.send({ kind: 'metricsQuestion', id } satisfies MetricsQuestion, (error) => {
    if (error) resolve(null)
  })
  return promise.finally(() => {
    clearTimeout(late)
    peer.off('message', listen)
  })
}

/** Answers each question of the other process with what `read` returns. */
export function answerForMetrics(peer: MetricsConnection, read: () => Promise<string>): void {
  const answer = async (id: string) => {
    const text = await read().catch(() => null)
    if (peer.isConnected()) peer.send({ kind: 'metricsAnswer', id, text } satisfies MetricsAnswer, () => undefined)
  }
  peer.on('message', (message) => {
    if (isOfKind<MetricsQuestion>(message, 'metricsQuestion')) void answer(message.id)
  })
}

function isOfKind<T extends { readonly kind: string }>(message: unknown, kind: T['kind']): message is T {
  return typeof message === 'object' && message !== null && 'kind' in message && message.kind === kind
}
