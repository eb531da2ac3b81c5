/**
 * What is measured here, in the words of OpenTelemetry's conventions for generative AI:
 * https://github.com/open-telemetry/semantic-conventions-genai. Where they have no word, ours is the custom one that they allow.
 */
import type { Backend } from '../../routing/config/snapshot.ts'
import type { ProviderKind } from '../../routing/vendors/provider-kind.ts'

const operationNames: Readonly<Record<string, string>> = {
  '/v1/chat/completions': 'chat',
  '/v1/completions': 'text_completion',
  '/v1/embeddings': 'embeddings',
  '/v1/responses': 'chat',
  '/v1/responses/compact': 'compact',
  '/v1/responses/input_tokens': 'count_tokens',
  '/v1/messages': 'chat',
  '/v1/messages/count_tokens': 'count_tokens',
  '/v1/tokenize': 'tokenize',
  '/v1/rerank': 'rerank',
  '/v2/rerank': 'rerank',
  '/v1/score': 'score',
  '/v1/moderations': 'moderation',
  '/v1/images/generations': 'image_generation',
  '/v1/images/edits': 'image_edit',
  '/v1/images/variations': 'image_variation',
  '/v1/audio/speech': 'speech',
  '/v1/audio/transcriptions': 'transcription',
  '/v1/audio/translations': 'translation',
}

const providerNames: Partial<Readonly<Record<ProviderKind, string>>> = {
  AZURE_OPENAI: 'azure.ai.openai',
  GOOGLE_GEMINI: 'gcp.gemini',
  AWS_BEDROCK: 'aws.bedrock',
  MISTRAL: 'mistral_ai',
  XAI: 'x_ai',
  MOONSHOT: 'moonshot_ai',
}

/** `gen_ai.operation.name` of an operation; `other` for a path that is none. */
export function genAiOperationOf(operation: string): string {
  return operationNames[operation] ?? 'other'
}

/** `gen_ai.provider.name` of a backend: the provider's kind, or the deployment's engine. */
export function genAiProviderOf(backend: Backend): string {
  if (backend.kind === 'deployment') return backend.engine.toLowerCase()
  const { kind } = backend.provider
  return providerNames[kind] ?? kind.toLowerCase()
}
