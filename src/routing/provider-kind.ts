/** What is known of each kind of provider: where it is, how it takes a credential, how it lists its models. */

export const providerKinds = [
  'OPENAI',
  'OPENAI_COMPATIBLE',
  'AZURE_OPENAI',
  'ANTHROPIC',
  'GOOGLE_GEMINI',
  'AWS_BEDROCK',
  'MISTRAL',
  'COHERE',
  'DEEPSEEK',
  'XAI',
  'GROQ',
  'TOGETHER',
  'FIREWORKS',
  'OPENROUTER',
  'MOONSHOT',
  'ZHIPU',
  'QWEN',
  'DOUBAO',
  'HUNYUAN',
  'MINIMAX',
  'STEPFUN',
  'BAIDU',
  'NVIDIA',
  'OLLAMA',
] as const
export type ProviderKind = (typeof providerKinds)[number]

/** `bearer`: `Authorization: Bearer …`; else the named header carries the bare secret. */
export type CredentialStyle = 'bearer' | 'api-key' | 'x-api-key'

export interface ProviderKindFacts {
  /** Null: there is none, because it depends on the account or the host. Without a trailing slash. */
  readonly defaultBaseUrl: string | null
  readonly credentialStyle: CredentialStyle
  /** Headers that the service demands with every call. */
  readonly fixedHeaders: readonly { readonly name: string; readonly value: string }[]
  /** Relative to the base URL, or absolute; null: it has no list. */
  readonly modelsUrl: string | null
  /** The vendor's page that says so. */
  readonly source: string
}

function openAiLike(defaultBaseUrl: string | null, source: string): ProviderKindFacts {
  return { defaultBaseUrl, credentialStyle: 'bearer', fixedHeaders: [], modelsUrl: '/models', source }
}

export const providerKindFacts: Readonly<Record<ProviderKind, ProviderKindFacts>> = {
  OPENAI: openAiLike('https://api.openai.com/v1', 'https://platform.openai.com/docs/api-reference/introduction'),
  OPENAI_COMPATIBLE: openAiLike(null, 'https://platform.openai.com/docs/api-reference/models/list'),
  AZURE_OPENAI: {
    ...openAiLike(null, 'https://learn.microsoft.com/azure/ai-foundry/openai/api-version-lifecycle'),
    credentialStyle: 'api-key',
  },
  ANTHROPIC: {
    ...openAiLike('https://api.anthropic.com/v1', 'https://docs.anthropic.com/en/api/overview'),
    credentialStyle: 'x-api-key',
    fixedHeaders: [{ name: 'anthropic-version', value: '2023-06-01' }],
  },
  GOOGLE_GEMINI: openAiLike(
    'https://generativelanguage.googleapis.com/v1beta/openai',
    'https://ai.google.dev/gemini-api/docs/openai',
  ),
  AWS_BEDROCK: openAiLike(null, 'https://docs.aws.amazon.com/bedrock/latest/userguide/inference-chat-completions.html'),
  MISTRAL: openAiLike('https://api.mistral.ai/v1', 'https://docs.mistral.ai/api/'),
  COHERE: {
    ...openAiLike('https://api.cohere.ai/compatibility/v1', 'https://docs.cohere.com/docs/compatibility-api'),
    modelsUrl: 'https://api.cohere.com/v1/models',
  },
  DEEPSEEK: openAiLike('https://api.deepseek.com/v1', 'https://api-docs.deepseek.com/'),
  XAI: openAiLike('https://api.x.ai/v1', 'https://docs.x.ai/docs/api-reference'),
  GROQ: openAiLike('https://api.groq.com/openai/v1', 'https://console.groq.com/docs/openai'),
  TOGETHER: openAiLike('https://api.together.xyz/v1', 'https://docs.together.ai/docs/openai-api-compatibility'),
  FIREWORKS: openAiLike(
    'https://api.fireworks.ai/inference/v1',
    'https://docs.fireworks.ai/tools-sdks/openai-compatibility',
  ),
  OPENROUTER: openAiLike('https://openrouter.ai/api/v1', 'https://openrouter.ai/docs/api-reference/overview'),
  MOONSHOT: openAiLike('https://api.moonshot.ai/v1', 'https://platform.moonshot.ai/docs/api/chat'),
  ZHIPU: openAiLike(
    'https://open.bigmodel.cn/api/paas/v4',
    'https://docs.bigmodel.cn/cn/guide/develop/openai/introduction',
  ),
  QWEN: openAiLike(
    'https://dashscope.aliyuncs.com/compatible-mode/v1',
    'https://help.aliyun.com/zh/model-studio/compatibility-of-openai-with-dashscope',
  ),
  DOUBAO: openAiLike('https://ark.cn-beijing.volces.com/api/v3', 'https://www.volcengine.com/docs/82379/1330626'),
  HUNYUAN: openAiLike(
    'https://api.hunyuan.cloud.tencent.com/v1',
    'https://cloud.tencent.com/document/product/1729/111007',
  ),
  MINIMAX: openAiLike('https://api.minimax.io/v1', 'https://platform.minimax.io/docs/api-reference/text-openai-api'),
  STEPFUN: openAiLike('https://api.stepfun.com/v1', 'https://platform.stepfun.com/docs/api-reference/chat'),
  BAIDU: openAiLike('https://qianfan.baidubce.com/v2', 'https://cloud.baidu.com/doc/qianfan-api/s/3m7of64lb'),
  NVIDIA: openAiLike('https://integrate.api.nvidia.com/v1', 'https://docs.api.nvidia.com/nim/reference/llm-apis'),
  OLLAMA: openAiLike('http://localhost:11434/v1', 'https://docs.ollama.com/api/openai-compatibility'),
}
