/**
 * Which operations a backend serves itself. Known from the kind of a provider or the engine of a deployment by this one table,
 * stated by the operator, or learned from what it answers. A row names what any current version serves: a version that lacks one
 * of them answers 404, which is learned. What nobody has written down is null, and asked.
 */
import { findOperation, type Operation } from './operation.ts'
import type { DeploymentEngine } from '../config/vocabulary.ts'
import type { ProviderKind } from './provider-kind.ts'
import type { Backend } from '../config/snapshot.ts'

export interface KnownOperations {
  /** Null: unknown, so every operation is tried. */
  readonly operations: ReadonlySet<string> | null
  /** The documentation pages for it. */
  readonly sources: readonly string[]
}

const chat = '/v1/chat/completions'
const completions = '/v1/completions'
const embeddings = '/v1/embeddings'
const responses = '/v1/responses'
const messages = '/v1/messages'
const countTokens = '/v1/messages/count_tokens'
const rerank = '/v1/rerank'
const rerank2 = '/v2/rerank'
const score = '/v1/score'
const moderations = '/v1/moderations'
const images = '/v1/images/generations'
const imageEdits = '/v1/images/edits'
const imageVariations = '/v1/images/variations'
const speech = '/v1/audio/speech'
const transcriptions = '/v1/audio/transcriptions'
const translations = '/v1/audio/translations'
const tokenize = '/v1/tokenize'
const compact = '/v1/responses/compact'
const inputTokens = '/v1/responses/input_tokens'

function known(operations: readonly string[], ...sources: readonly string[]): KnownOperations {
  return { operations: new Set(operations), sources }
}

const unknown: KnownOperations = { operations: null, sources: [] }

const ollama = known(
  [chat, completions, embeddings, responses, messages, images, speech, transcriptions],
  'https://docs.ollama.com/api/openai-compatibility',
  // `/v1/messages` from 0.14, without `count_tokens`.
  'https://docs.ollama.com/api/anthropic-compatibility',
  'https://github.com/ollama/ollama/releases/tag/v0.14.0',
)

export const engineOperations: Readonly<Record<DeploymentEngine, KnownOperations>> = {
  // `/v1/messages` from 0.11.1; images and speech with vLLM-Omni.
  VLLM: known(
    [
      chat,
      completions,
      embeddings,
      responses,
      messages,
      countTokens,
      rerank,
      rerank2,
      score,
      tokenize,
      transcriptions,
      translations,
      images,
      imageEdits,
      speech,
    ],
    'https://docs.vllm.ai/en/stable/serving/online_serving.html',
    'https://github.com/vllm-project/vllm/releases/tag/v0.11.1',
    'https://github.com/vllm-project/vllm/pull/35588',
    'https://docs.vllm.ai/projects/vllm-omni/en/latest/',
  ),
  SGLANG: known(
    [
      chat,
      completions,
      embeddings,
      responses,
      messages,
      countTokens,
      rerank,
      score,
      tokenize,
      transcriptions,
      images,
      imageEdits,
      speech,
    ],
    'https://github.com/sgl-project/sglang/blob/main/docs/basic_usage/anthropic_api.md',
    'https://github.com/sgl-project/sglang/blob/main/python/sglang/srt/entrypoints/http_server.py',
  ),
  TGI: known([chat, completions], 'https://huggingface.co/docs/text-generation-inference/messages_api'),
  TENSORRT_LLM: unknown,
  // `/v1/messages` and `count_tokens` from pull request 17570 on (November 2025).
  LLAMA_CPP: known(
    [chat, completions, embeddings, responses, messages, countTokens, rerank, transcriptions, inputTokens],
    'https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md',
    'https://github.com/ggml-org/llama.cpp/pull/17570',
  ),
  OLLAMA: ollama,
  LM_STUDIO: known(
    [chat, completions, embeddings, responses, messages],
    'https://lmstudio.ai/docs/developer/openai-compat',
    'https://lmstudio.ai/docs/developer/anthropic-compat',
  ),
  OTHER: unknown,
}

/** Only public services whose reference is complete are listed. Others add operations often, so every operation is tried. */
export const providerOperations: Readonly<Record<ProviderKind, KnownOperations>> = {
  OPENAI: known(
    [
      chat,
      completions,
      embeddings,
      responses,
      compact,
      inputTokens,
      moderations,
      images,
      imageEdits,
      imageVariations,
      speech,
      transcriptions,
      translations,
    ],
    'https://platform.openai.com/docs/api-reference',
  ),
  OPENAI_COMPATIBLE: unknown,
  AZURE_OPENAI: known(
    [
      chat,
      completions,
      embeddings,
      responses,
      compact,
      inputTokens,
      images,
      imageEdits,
      speech,
      transcriptions,
      translations,
    ],
    'https://learn.microsoft.com/azure/ai-foundry/openai/latest',
  ),
  ANTHROPIC: known(
    [chat, messages, countTokens],
    'https://docs.anthropic.com/en/api/messages',
    'https://docs.anthropic.com/en/api/openai-sdk',
  ),
  GOOGLE_GEMINI: known([chat, embeddings, images], 'https://ai.google.dev/gemini-api/docs/openai'),
  AWS_BEDROCK: unknown,
  MISTRAL: known([chat, embeddings, moderations, speech, transcriptions], 'https://docs.mistral.ai/api'),
  COHERE: unknown,
  DEEPSEEK: known([chat, completions], 'https://api-docs.deepseek.com/api/deepseek-api'),
  XAI: unknown,
  GROQ: known([chat, responses, speech, transcriptions, translations], 'https://console.groq.com/docs/api-reference'),
  TOGETHER: unknown,
  FIREWORKS: unknown,
  OPENROUTER: unknown,
  MOONSHOT: unknown,
  ZHIPU: unknown,
  QWEN: unknown,
  DOUBAO: unknown,
  HUNYUAN: unknown,
  MINIMAX: unknown,
  STEPFUN: unknown,
  BAIDU: unknown,
  NVIDIA: unknown,
  OLLAMA: ollama,
}

/** The known operations of a kind of provider or an engine, in the order of the table; null if unknown. */
export function listKnownOperations({ operations }: KnownOperations): readonly string[] | null {
  return operations && [...operations]
}

/**
 * Operations that a backend may have under an older path alone, which takes the same requests: many engines have the reranking
 * of Cohere's second version at `/v1/rerank`.
 */
const olderForms: ReadonlyMap<string, string> = new Map([[rerank2, rerank]])

/**
 * The operation that a backend is asked for in answer to `operation`: the same one, or its older form if it has only that; null:
 * it serves neither. `isRefused` tells what was learned from its answers.
 */
export function operationAsked(
  backend: Backend,
  operation: string,
  isRefused: (operation: string) => boolean,
): string | null {
  if (mayServe(backend, operation) && !isRefused(operation)) return operation
  const older = olderForms.get(operation)
  return older !== undefined && mayServe(backend, older) && !isRefused(older) ? older : null
}

/** Whether the backend has the operation itself, as far as stated or known. */
function mayServe(backend: Backend, operation: string): boolean {
  if (backend.operations) return backend.operations.includes(operation)
  return knownOf(backend).operations?.has(operation) ?? true
}

/** The operation with its path at the backend, which differs for one operation. */
export function operationAt(backend: Backend, operation: Operation): Operation {
  // vLLM has it beside `/v1` (https://docs.vllm.ai/en/stable/serving/online_serving.html), SGLang below it.
  if (operation.path === tokenize && backend.kind === 'deployment' && backend.engine === 'VLLM')
    return unversionedTokenize
  return operation
}

const unversionedTokenize: Operation = { ...findOperation(tokenize)!, upstreamPath: '../tokenize' }

function knownOf(backend: Backend): KnownOperations {
  return backend.kind === 'deployment' ? engineOperations[backend.engine] : providerOperations[backend.provider.kind]
}
