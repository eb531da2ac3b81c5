/** The operations of the passthrough: the one table of their paths, bodies and protocols. */

/** Whose error envelope and stream the client expects. */
export type Protocol = 'openai' | 'anthropic'
export type BodyKind = 'json' | 'multipart'

/**
 * How a stream of it looks, if it can be streamed. `choices`: chunks with `choices`, ended by `[DONE]`. `typedEvents`: each
 * event names its `type`; OpenAI's end with the one that completes, Anthropic's with `message_stop`.
 */
export type StreamKind = 'choices' | 'typedEvents' | 'none'

/**
 * Where upstreams report tokens. `completion`: `usage.prompt_tokens` and `completion_tokens`, in a stream only in an extra
 * chunk that must be asked for. `inputOutput`: `usage.input_tokens` and `output_tokens`, nested in the last event of a
 * stream. `message`: the same as Anthropic spells it, over two events. `input`: of models that write nothing,
 * `usage.prompt_tokens`, `usage.total_tokens` or `meta.tokens`. `none`: nothing is reported, or nothing is used.
 */
export type UsageKind = 'completion' | 'inputOutput' | 'message' | 'input' | 'none'

/** The top-level member or form field that asks for a stream, and its value as JSON text. */
export interface StreamFlag {
  readonly name: string
  readonly value: string
}

export interface Operation {
  /** As clients call it; it is the operation's name in usage and log. */
  readonly path: string
  readonly method: 'GET' | 'POST'
  /** Empty: it has no body. */
  readonly bodies: readonly BodyKind[]
  readonly protocol: Protocol
  readonly stream: StreamKind
  /** Null: it has no streams. */
  readonly streamFlag: StreamFlag | null
  readonly usage: UsageKind
  /**
   * Whether its answers are texts, of which tokens can be estimated. An image, a recording and a transcript are paid by other
   * measures: without counts, nobody knows what they took.
   */
  readonly writesText: boolean
  /** Whether it speaks the request's `input`. */
  readonly readsAloud: boolean
  /** Whether `stream_options.include_usage` makes a stream report its tokens. */
  readonly hasIncludeUsage: boolean
  /** Where it is at the upstream, relative to a base URL that ends in a version; null: the gateway answers it. */
  readonly upstreamPath: string | null
}

/** Of a path, whether or not there is an operation: whoever asks for one of Anthropic's reads its errors in that form. */
export function protocolOf(path: string): Protocol {
  return path === '/v1/messages' || path.startsWith('/v1/messages/') ? 'anthropic' : 'openai'
}

const streamTrue = { name: 'stream', value: 'true' } as const

function post(path: string, rest: Partial<Operation> = {}): Operation {
  return {
    path,
    method: 'POST',
    bodies: ['json'],
    protocol: protocolOf(path),
    stream: 'none',
    streamFlag: null,
    usage: 'none',
    writesText: !/^\/v1\/(?:images|audio)\//.test(path),
    readsAloud: false,
    hasIncludeUsage: false,
    upstreamPath: path.slice('/v1'.length),
    ...rest,
  }
}

/** Sources: https://platform.openai.com/docs/api-reference, https://docs.anthropic.com/en/api, https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html. */
export const operations: readonly Operation[] = [
  post('/v1/chat/completions', {
    stream: 'choices',
    streamFlag: streamTrue,
    usage: 'completion',
    hasIncludeUsage: true,
  }),
  post('/v1/completions', { stream: 'choices', streamFlag: streamTrue, usage: 'completion', hasIncludeUsage: true }),
  post('/v1/embeddings', { usage: 'input' }),
  post('/v1/responses', { stream: 'typedEvents', streamFlag: streamTrue, usage: 'inputOutput' }),
  post('/v1/responses/compact', { usage: 'inputOutput' }),
  post('/v1/responses/input_tokens'),
  post('/v1/messages', { stream: 'typedEvents', streamFlag: streamTrue, usage: 'message' }),
  post('/v1/messages/count_tokens'),
  post('/v1/rerank', { usage: 'input' }),
  post('/v2/rerank', { usage: 'input', upstreamPath: '../v2/rerank' }),
  post('/v1/score', { usage: 'input' }),
  post('/v1/tokenize'),
  // Of its answers no tokens are estimated: those that say nothing of them are free.
  post('/v1/moderations', { usage: 'input', writesText: false }),
  post('/v1/images/generations', { stream: 'typedEvents', streamFlag: streamTrue, usage: 'inputOutput' }),
  post('/v1/images/edits', {
    bodies: ['multipart', 'json'],
    stream: 'typedEvents',
    streamFlag: streamTrue,
    usage: 'inputOutput',
  }),
  post('/v1/images/variations', { bodies: ['multipart'], usage: 'inputOutput' }),
  post('/v1/audio/speech', {
    stream: 'typedEvents',
    streamFlag: { name: 'stream_format', value: '"sse"' },
    usage: 'inputOutput',
    readsAloud: true,
  }),
  post('/v1/audio/transcriptions', {
    bodies: ['multipart'],
    stream: 'typedEvents',
    streamFlag: streamTrue,
    usage: 'inputOutput',
  }),
  post('/v1/audio/translations', { bodies: ['multipart'], usage: 'inputOutput' }),
  { ...post('/v1/models'), method: 'GET', bodies: [], upstreamPath: null },
  { ...post('/v1/models/{name}'), method: 'GET', bodies: [], upstreamPath: null },
]

const operationsByPath: ReadonlyMap<string, Operation> = new Map(operations.map((it) => [it.path, it]))
export const modelsOperation: Operation = operationsByPath.get('/v1/models')!
export const modelOperation: Operation = operationsByPath.get('/v1/models/{name}')!

/**
 * The operation at a path, which is without its query string; undefined if there is none. The method is yet to be compared.
 * The name in `/v1/models/{name}` may hold slashes.
 */
export function findOperation(path: string): Operation | undefined {
  const operation = operationsByPath.get(path)
  if (operation) return operation === modelOperation ? undefined : operation
  return path.startsWith('/v1/models/') && path.length > '/v1/models/'.length ? modelOperation : undefined
}

/**
 * Where an operation is at an upstream: the base URL's own path, e.g. `/v1`, and the operation's. `/v2/rerank` replaces a
 * version at the end of the base, and stays below whatever comes before it.
 */
export function upstreamPathOf(basePath: string, operation: Operation): string {
  const base = basePath.replace(/\/+$/, '')
  const path = operation.upstreamPath ?? ''
  if (!path.startsWith('../')) return base + path
  return `${base.replace(/\/v\d+[a-z0-9]*$/, '')}/${path.slice('../'.length)}`
}
