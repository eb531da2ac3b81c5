import type { ProviderConfiguration } from '../../routing/config/configuration.ts'
import type { ProviderKind } from '../../routing/vendors/provider-kind.ts'
import type { ModelCategory } from '../../routing/config/vocabulary.ts'

export interface ModelCall {
  /** Relative to the base URL. */
  readonly path: string
  readonly contentType: string
  readonly body: Buffer
}

type Model = ProviderConfiguration['models'][number]

/** The cheapest call that shows whether a model answers, chosen by its first category. */
export function shortCall(kind: ProviderKind, model: Model): ModelCall {
  const [category = 'UNKNOWN'] = model.categories
  return callsByCategory[category](model.upstreamModel, kind)
}

const callsByCategory: Readonly<Record<ModelCategory, (model: string, kind: ProviderKind) => ModelCall>> = {
  LLM: chatCall,
  UNKNOWN: chatCall,
  EMBEDDING: (model) => jsonCall('/embeddings', { model, input: 'OK' }),
  RERANKER: (model) => jsonCall('/rerank', { model, query: 'one', documents: ['one', 'two'] }),
  IMAGE: (model) => jsonCall('/images/generations', { model, prompt: 'A grey dot.', n: 1 }),
  TEXT_TO_SPEECH: (model) => jsonCall('/audio/speech', { model, input: 'OK', voice: 'alloy' }),
  SPEECH_TO_TEXT: transcriptionCall,
}

function chatCall(model: string, kind: ProviderKind): ModelCall {
  const messages = [{ role: 'user', content: 'Say OK.' }]
  if (kind === 'ANTHROPIC') return jsonCall('/messages', { model, messages, max_tokens: 16 })
  // OpenAI's reasoning models refuse `max_tokens`, and answer 400 if the limit is too low for their reasoning:
  // https://platform.openai.com/docs/api-reference/chat/create
  const limit = kind === 'OPENAI' || kind === 'AZURE_OPENAI' ? { max_completion_tokens: 512 } : { max_tokens: 16 }
  return jsonCall('/chat/completions', { model, messages, ...limit })
}

function jsonCall(path: string, body: object): ModelCall {
  return { path, contentType: 'application/json', body: Buffer.from(JSON.stringify(body)) }
}

function transcriptionCall(model: string): ModelCall {
  const boundary = 'signalbox-8f0e2c5b7a914d36'
  const field = `--${boundary}\r\ncontent-disposition: form-data; name="model"\r\n\r\n${model}\r\n`
  const file = `--${boundary}\r\ncontent-disposition: form-data; name="file"; filename="silence.wav"\r\ncontent-type: audio/wav\r\n\r\n`
  return {
    path: '/audio/transcriptions',
    contentType: `multipart/form-data; boundary=${boundary}`,
    body: Buffer.concat([Buffer.from(field + file), silence(), Buffer.from(`\r\n--${boundary}--\r\n`)]),
  }
}

/** Half a second of silence as a WAV file: 16-bit mono PCM at 8 kHz. */
function silence(): Buffer {
  const samplesPerSecond = 8_000
  const data = Buffer.alloc(samplesPerSecond)
  const header = Buffer.alloc(44)
  header.write('RIFF', 0)
  header.writeUInt32LE(36 + data.length, 4)
  header.write('WAVEfmt ', 8)
  header.writeUInt32LE(16, 16)
  header.writeUInt16LE(1, 20)
  header.writeUInt16LE(1, 22)
  header.writeUInt32LE(samplesPerSecond, 24)
  header.writeUInt32LE(samplesPerSecond * 2, 28)
  header.writeUInt16LE(2, 32)
  header.writeUInt16LE(16, 34)
  header.write('data', 36)
  header.writeUInt32LE(data.length, 40)
  return Buffer.concat([header, data])
}
