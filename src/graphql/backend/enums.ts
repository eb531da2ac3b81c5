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
    UNKNOWN: { description: 'Not stated, and not recognisable from the name.' },
  } satisfies Values<ModelCategoryWord>,
})

export const CircuitState = builder.enumType('CircuitState', {
  description: 'Whether requests are sent to a backend, judged by its recent failures.',
  values: {
    CLOSED: { description: 'Requests are sent.' },
    OPEN: { description: 'No requests are sent.' },
    HALF_OPEN: { description: 'One trial request at a time.' },
  } satisfies Values<CircuitStateWord>,
})

export const BackendWarningCode = builder.enumType('BackendWarningCode', {
  description: 'What is wrong with a backend.',
  values: {
    UNREACHABLE: { description: 'It did not answer, or its server failed.' },
    MODEL_NOT_LISTED: { description: 'The endpoint lists models, and `upstreamModel` is not among them.' },
    BASE_URL_SUSPECT: {
      description: 'The base URL has no path, or the server lists its models at `/v1` and not there.',
    },
    UNSAFE_URL: { description: 'The configuration of this installation forbids calls to this address.' },
    CREDENTIAL_REFUSED: { description: 'The credential was not accepted, or one is missing.' },
  } satisfies Values<BackendWarningCodeWord>,
})
