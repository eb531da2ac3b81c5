/** One request of each operation, to run the same story with all of them. */
import type { TestGateway } from './open-test-gateway.ts'

export interface SampleRequest {
  readonly operation: string
  readonly stream: boolean
  /** Sends it for the route `chat`. */
  readonly send: (gateway: TestGateway, signal?: AbortSignal) => Promise<Response>
}

const bodies: Readonly<Record<string, object>> = {
  '/v1/chat/completions': { messages: [{ role: 'user', content: 'hi' }] },
  '/v1/completions': { prompt: 'hi' },
  '/v1/embeddings': { input: ['hi'] },
  '/v1/responses': { input: 'hi' },
  '/v1/messages': { max_tokens: 10, messages: [{ role: 'user', content: 'hi' }] },
  '/v1/messages/count_tokens': { messages: [{ role: 'user', content: 'hi' }] },
  '/v1/rerank': { query: 'hi', documents: ['a', 'b'] },
  '/v2/rerank': { query: 'hi', documents: ['a', 'b'] },
  '/v1/score': { text_1: 'a', text_2: 'b' },
  '/v1/moderations': { input: 'hi' },
  '/v1/images/generations': { prompt: 'hi' },
  '/v1/audio/speech': { input: 'hi', voice: 'alloy' },
}
const forms = ['/v1/images/edits', '/v1/images/variations', '/v1/audio/transcriptions', '/v1/audio/translations']
const streams = ['/v1/chat/completions', '/v1/completions', '/v1/responses', '/v1/messages']

export const plainRequests: readonly SampleRequest[] = [
  ...Object.entries(bodies).map(([path, body]) => jsonRequest(path, body, false)),
  ...forms.map(formRequest),
]
export const streamedRequests: readonly SampleRequest[] = streams.map((path) => jsonRequest(path, bodies[path]!, true))
export const sampleRequests: readonly SampleRequest[] = [...plainRequests, ...streamedRequests]

function jsonRequest(path: string, body: object, stream: boolean): SampleRequest {
  const content = { model: 'chat', ...body, ...(stream ? { stream: true } : {}) }
  const text = JSON.stringify(content)
  return {
    operation: path,
    stream,
    send: (gateway) => {
      const headers = { authorization: `Bearer ${gateway.key}`, 'content-type': 'application/json' }
      return fetch(gateway.origin + path, { method: 'POST', headers, body: text })
    },
  }
}

function formRequest(path: string): SampleRequest {
  return {
    operation: path,
    stream: false,
    send: (gateway) => {
      const form = new FormData()
      form.append('file', new Blob([Buffer.alloc(5_000, 7)]), 'speech.wav')
      form.append('model', 'chat')
      const headers = { authorization: `Bearer ${gateway.key}` }
      return fetch(gateway.origin + path, { method: 'POST', headers, body: form })
    },
  }
}
