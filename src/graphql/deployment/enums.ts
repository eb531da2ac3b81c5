import type {
  DeploymentEngine as DeploymentEngineWord,
  LoadBalancing as LoadBalancingWord,
} from '../../routing/config/vocabulary.ts'
import type { Values } from '../schema/enum-values.ts'
import { builder } from '../schema/builder.ts'

export const DeploymentEngine = builder.enumType('DeploymentEngine', {
  description: 'The serving software; it decides the health path and which load figures are read.',
  values: {
    VLLM: { description: 'vLLM.' },
    SGLANG: { description: 'SGLang.' },
    TGI: { description: 'Text Generation Inference by Hugging Face.' },
    TENSORRT_LLM: { description: 'TensorRT-LLM.' },
    LLAMA_CPP: { description: 'The server of llama.cpp.' },
    OLLAMA: { description: 'Ollama.' },
    LM_STUDIO: { description: 'LM Studio.' },
    OTHER: { description: 'Any other server. It is not probed unless a health check is given.' },
  } satisfies Values<DeploymentEngineWord>,
})

export const LoadBalancing = builder.enumType('LoadBalancing', {
  description: 'How a request chooses among the endpoints of a deployment.',
  values: {
    LEAST_IN_FLIGHT: { description: 'The less busy of two endpoints drawn at random.' },
    WEIGHTED_ROUND_ROBIN: { description: 'Each endpoint in turn, by the weights of the endpoints.' },
    PREFIX_AFFINITY: {
      description:
        'Requests with the same prompt prefix go to the same endpoint, for its prefix cache, unless that endpoint is much busier than the others.',
    },
  } satisfies Values<LoadBalancingWord>,
})
