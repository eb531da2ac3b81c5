/** Facts about each kind of serving software. */
import type { DeploymentEngine } from '../config/vocabulary.ts'
import type { HealthCheck } from '../config/configuration.ts'

export interface EngineFacts {
  /** The path of a health check that never runs inference, relative to the origin; null if none is known. */
  readonly healthPath: string | null
  /** The documentation page for it. */
  readonly source: string | null
}

export const engineFacts: Readonly<Record<DeploymentEngine, EngineFacts>> = {
  VLLM: { healthPath: '/health', source: 'https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html' },
  SGLANG: { healthPath: '/health', source: 'https://docs.sglang.ai/basic_usage/native_api.html' },
  TGI: { healthPath: '/health', source: 'https://huggingface.github.io/text-generation-inference/' },
  TENSORRT_LLM: { healthPath: '/health', source: 'https://nvidia.github.io/TensorRT-LLM/commands/trtllm-serve.html' },
  LLAMA_CPP: {
    healthPath: '/health',
    source: 'https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md',
  },
  OLLAMA: { healthPath: '/api/tags', source: 'https://docs.ollama.com/api/tags' },
  LM_STUDIO: { healthPath: '/v1/models', source: 'https://lmstudio.ai/docs/developer/openai-compat/models' },
  OTHER: { healthPath: null, source: null },
}

/** The default health check of a deployment; null if only the outcomes of requests count. */
export function defaultHealthCheck(engine: DeploymentEngine): HealthCheck | null {
  const path = engineFacts[engine].healthPath
  if (path === null) return null
  return { path, intervalMs: 5_000, timeoutMs: 2_000, unhealthyThreshold: 3, healthyThreshold: 1 }
}
