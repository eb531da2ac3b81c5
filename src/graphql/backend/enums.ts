import type { BackendWarningCode as BackendWarningCodeWord } from '../../control/deployment/warnings.ts'
import type {
  CircuitState as CircuitStateWord,
  ModelCategory as ModelCategoryWord,
} from '../../routing/config/vocabulary.ts'
import type { Values } from '../schema/enum-values.ts'
import { builder } from '../schema/builder.ts'

export const ModelCategory = builder.enumType('ModelCategory', {
  description: 'What a model is for; the categories of the OpenAI-compatible endpoints.',
  values: {
    LLM: { description: 'Text generation: chat, completions, responses, messages.' },
    EMBEDDING: { description: 'Embeddings.' },
    RERANKER: { description: 'Reranking and scoring.' },
    IMAGE: { description: 'Image generation.' },
    SPEECH_TO_TEXT: { description: 'Transcription and translation of speech.' },
    TEXT_TO_SPEECH: { description: 'Speech from text.' },
    UNKNOWN: { description: 'Nobody said, and the name does not tell.' },
  } satisfies Values<ModelCategoryWord>,
})

export const CircuitState = builder.enumType('CircuitState', {
  description: 'Whether requests are let through to a backend, by its own recent failures.',
  values: {
    CLOSED: { description: 'Requests pass.' },
    OPEN: { description: 'Nothing is sent.' },
    HALF_OPEN: { description: 'One trial request at a time.' },
  } satisfies Values<CircuitStateWord>,
})

export const BackendWarningCode = builder.enumType('BackendWarningCode', {
  description: 'What is wrong with a backend.',
  values: {
    UNREACHABLE: { description: 'It did not answer, or its server failed.' },
    MODEL_NOT_LISTED: { description: 'The endpoint lists models, and `upstreamModel` is not among them.' },
    BASE_URL_SUSPECT: { description: 'The base URL has no path, or lists no models there but at `/v1`.' },
    UNSAFE_URL: { description: 'The address may not be called from this installation as it is now configured.' },
    CREDENTIAL_REFUSED: { description: 'The credential was not accepted, or one is missing.' },
  } satisfies Values<BackendWarningCodeWord>,
})
