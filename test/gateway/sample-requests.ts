/** One request of each operation, to run the same story with all of them. */
import type { TestGateway } from './open-test-gateway.ts'

export interface SampleRequest {
  readonly operation: string
  readonly stream: boolean
  /** Sends it for the route `chat`. */
  readonly send: (gateway: TestGateway, signal?: AbortSignal) => Promise<Response>
}

const bodies: Readonly<Record<string, object>> = {
  '/chat/completions': { messages: [{ role: 'user', content: 'hi' }] },
  '/completions': { prompt: 'hi' },
  '/embeddings': { input: ['hi'] },
  '/responses': { input: 'hi' },
  '/messages': { max_tokens: 10, messages: [{ role: 'user', content: 'hi' }] },
  '/messages/count_tokens': { messages: [{ role: 'user', content: 'hi' }] },
  '/rerank': { query: 'hi', documents: ['a', 'b'] },
  '/score': { text_1: 'a', text_2: 'b' },
  '/moderations': { input: 'hi' },
  '/images/generations': { prompt: 'hi' },
  '/audio/speech': { input: 'hi', voice: 'alloy' },
}
const forms = ['/images/edits', '/images/variations', '/audio/transcriptions', '/audio/translations']
const streams = ['/chat/completions', '/completions', '/responses', '/messages']

export const plainRequests: readonly SampleRequest[] = [
  ...Object.entries(bodies).map(([path, body]) => jsonRequest(path, body, false)),
  ...forms.map(formRequest),
]
export const streamedRequests: readonly SampleRequest[] = streams.map((path) => jsonRequest(path, bodies[path]!, true))
export const sampleRequests: readonly SampleRequest[] = [...plainRequests, ...streamedRequests]

function jsonRequest(path: string, body: object, stream: boolean): SampleRequest {
  const content = { model: 'chat', ...body, ...(stream ? { stream: true } : {}) }
  return { operation: `/v1${path}`, stream, send: (gateway) => gateway.post(path, content) }
}

function formRequest(path: string): SampleRequest {
  return {
    operation: `/v1${path}`,
    stream: false,
    send: (gateway) => {
      const form = new FormData()
      form.append('file', new Blob([Buffer.alloc(5_000, 7)]), 'speech.wav')
      form.append('model', 'chat')
      const headers = { authorization: `Bearer ${gateway.key}` }
      return fetch(`${gateway.origin}/v1${path}`, { method: 'POST', headers, body: form })
    },
  }
}
