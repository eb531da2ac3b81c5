import type { ModelCategory } from '../../routing/config/vocabulary.ts'
import { isUpstreamModel } from '../kit/text.ts'

/** A page of a provider's model list. */
export interface ModelListPage {
  readonly models: readonly ListedModel[]
  /** Asks for the next page; null: this is the last one. */
  readonly cursor: string | null
}

export interface ListedModel {
  readonly name: string
  /** The categories that the vendor states; null if it states none. */
  readonly categories: readonly ModelCategory[] | null
}

type Json = Readonly<Record<string, unknown>>

/**
 * Reads a list of models; undefined if the answer is not one. OpenAI and compatible servers have it in `data`, Cohere and Ollama in
 * `models`, Together sends a bare list. Entries without a usable name are left out.
 */
export function readModelList(answer: unknown, namePrefix: string): ModelListPage | undefined {
  const list = isObject(answer) ? findList(answer) : answer
  if (!Array.isArray(list)) return undefined
  return {
    models: list.flatMap((entry: unknown) => readModel(entry, namePrefix)),
    cursor: isObject(answer) ? readCursor(answer, list) : null,
  }
}

/** Ollama without a model sends `"data": null`. */
function findList(answer: Json): unknown {
  return answer['data'] ?? answer['models'] ?? (answer['object'] === 'list' ? [] : undefined)
}

/** An entry is an object, or the bare name. */
function readModel(entry: unknown, namePrefix: string): ListedModel[] {
  const listed = typeof entry === 'string' ? entry : isObject(entry) ? statedName(entry) : undefined
  if (listed === undefined) return []
  const name = listed.startsWith(namePrefix) ? listed.slice(namePrefix.length) : listed
  return isUpstreamModel(name) ? [{ name, categories: isObject(entry) ? statedCategories(entry) : null }] : []
}

/**
 * Members that may hold the name: OpenAI's `id`, Cohere's and Ollama's `name`, and those of other servers. The first that is a string
 * counts.
 */
const nameMembers = ['id', 'name', 'model', 'model_name', 'model_id', 'key', 'slug']

function statedName(entry: Json): string | undefined {
  return nameMembers.map((member) => entry[member]).find((value) => typeof value === 'string' && value !== '') as
    | string
    | undefined
}

/**
 * The cursor of the next page. Anthropic and servers with OpenAI's lists: `has_more` with `last_id`, or else the id of the last entry;
 * Cohere: `next_page_token`.
 */
function readCursor(answer: Json, list: readonly unknown[]): string | null {
  const last = list.at(-1)
  const lastId = answer['last_id'] ?? (isObject(last) ? last['id'] : last)
  const cursor = answer['has_more'] === true ? lastId : answer['next_page_token']
  return typeof cursor === 'string' && cursor !== '' && cursor.length <= 1_024 ? cursor : null
}

/** Words that vendors use for what a model is for. */
const categoriesByWord: Readonly<Record<string, ModelCategory>> = {
  // Together's `type`: https://docs.together.ai/reference/models-1
  chat: 'LLM',
  language: 'LLM',
  code: 'LLM',
  embedding: 'EMBEDDING',
  rerank: 'RERANKER',
  image: 'IMAGE',
  transcribe: 'SPEECH_TO_TEXT',
  audio: 'TEXT_TO_SPEECH',
  moderation: 'UNKNOWN',
  video: 'UNKNOWN',
  // Cohere's `endpoints`: https://docs.cohere.com/v1/reference/list-models
  embed: 'EMBEDDING',
  generate: 'LLM',
  // OpenRouter's `architecture.output_modalities`: https://openrouter.ai/docs/api-reference/list-available-models
  text: 'LLM',
  embeddings: 'EMBEDDING',
}

function statedCategories(entry: Json): readonly ModelCategory[] | null {
  const { type, endpoints, architecture, capabilities } = entry
  const modalities = isObject(architecture) ? architecture['output_modalities'] : undefined
  const words = [type, endpoints, modalities].flat().filter((word) => typeof word === 'string')
  const stated = words.flatMap((word) => (Object.hasOwn(categoriesByWord, word) ? categoriesByWord[word]! : []))
  // Mistral: https://docs.mistral.ai/api/endpoint/models
  if (isObject(capabilities) && capabilities['completion_chat'] === true) stated.push('LLM')
  return stated.length === 0 ? null : [...new Set(stated)]
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
