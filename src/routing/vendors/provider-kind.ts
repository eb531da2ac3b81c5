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

export interface ModelListFacts {
  /** Relative to the base URL; or absolute, and then of use with the default base URL only. */
  readonly url: string
  /** The largest page; empty: all of them come at once. */
  readonly query: string
  /** The member of the query that takes the answer's cursor; null: there is one page. */
  readonly cursorParameter: 'after_id' | 'page_token' | null
  /** What the list puts in front of the names that requests carry. */
  readonly namePrefix: string
  /** The vendor's page that says so; null: the vendor documents none, and it is asked for all the same. */
  readonly source: string | null
}

export interface ProviderKindFacts {
  /** Null: there is none, because it depends on the account or the host. Without a trailing slash. */
  readonly defaultBaseUrl: string | null
  readonly credentialStyle: CredentialStyle
  /** Headers that the service demands with every call, names in lower case. */
  readonly fixedHeaders: readonly { readonly name: string; readonly value: string }[]
  readonly modelList: ModelListFacts
  /** The vendor's page about its base URL and credential. */
  readonly source: string
}

function openAiLike(
  defaultBaseUrl: string | null,
  source: string,
  modelListSource: string | null,
  modelList: Partial<ModelListFacts> = {},
): ProviderKindFacts {
  return {
    defaultBaseUrl,
    credentialStyle: 'bearer',
    fixedHeaders: [],
    modelList: {
      url: '/models',
      query: '',
      cursorParameter: null,
      namePrefix: '',
      source: modelListSource,
      ...modelList,
    },
    source,
  }
}

export const providerKindFacts: Readonly<Record<ProviderKind, ProviderKindFacts>> = {
  OPENAI: openAiLike(
    'https://api.openai.com/v1',
    'https://platform.openai.com/docs/api-reference/introduction',
    'https://platform.openai.com/docs/api-reference/models/list',
  ),
  OPENAI_COMPATIBLE: openAiLike(
    null,
    'https://platform.openai.com/docs/api-reference/introduction',
    'https://platform.openai.com/docs/api-reference/models/list',
  ),
  // https://{resource}.openai.azure.com/openai/v1: since August 2025 without `api-version`. It lists the models of the region; a
  // request names the deployment.
  AZURE_OPENAI: {
    ...openAiLike(
      null,
      'https://learn.microsoft.com/azure/foundry/openai/api-version-lifecycle',
      'https://learn.microsoft.com/azure/foundry/openai/latest',
    ),
    credentialStyle: 'api-key',
  },
  ANTHROPIC: {
    ...openAiLike(
      'https://api.anthropic.com/v1',
      'https://platform.claude.com/docs/en/api/overview',
      'https://platform.claude.com/docs/en/api/models-list',
      { query: 'limit=1000', cursorParameter: 'after_id' },
    ),
    credentialStyle: 'x-api-key',
    fixedHeaders: [{ name: 'anthropic-version', value: '2023-06-01' }],
  },
  GOOGLE_GEMINI: openAiLike(
    'https://generativelanguage.googleapis.com/v1beta/openai',
    'https://ai.google.dev/gemini-api/docs/openai',
    'https://ai.google.dev/gemini-api/docs/openai#list-models',
    { namePrefix: 'models/' },
  ),
  // https://bedrock-mantle.{region}.api.aws/v1, or https://bedrock-runtime.{region}.amazonaws.com/openai/v1, which lists none.
  AWS_BEDROCK: openAiLike(
    null,
    'https://docs.aws.amazon.com/bedrock/latest/userguide/inference-chat-completions.html',
    'https://docs.aws.amazon.com/bedrock/latest/userguide/inference-chat-completions-mantle.html',
  ),
  MISTRAL: openAiLike(
    'https://api.mistral.ai/v1',
    'https://docs.mistral.ai/api/',
    'https://docs.mistral.ai/api/endpoint/models',
  ),
  // The list is not below the compatibility API.
  COHERE: openAiLike(
    'https://api.cohere.ai/compatibility/v1',
    'https://docs.cohere.com/docs/compatibility-api',
    'https://docs.cohere.com/v1/reference/list-models',
    { url: 'https://api.cohere.com/v1/models', query: 'page_size=1000', cursorParameter: 'page_token' },
  ),
  DEEPSEEK: openAiLike(
    'https://api.deepseek.com/v1',
    'https://api-docs.deepseek.com/',
    'https://api-docs.deepseek.com/api/list-models',
  ),
  XAI: openAiLike(
    'https://api.x.ai/v1',
    'https://docs.x.ai/docs/api-reference',
    'https://docs.x.ai/docs/api-reference',
  ),
  GROQ: openAiLike(
    'https://api.groq.com/openai/v1',
    'https://console.groq.com/docs/openai',
    'https://console.groq.com/docs/models',
  ),
  TOGETHER: openAiLike(
    'https://api.together.xyz/v1',
    'https://docs.together.ai/docs/openai-api-compatibility',
    'https://docs.together.ai/reference/models-1',
  ),
  FIREWORKS: openAiLike(
    'https://api.fireworks.ai/inference/v1',
    'https://docs.fireworks.ai/tools-sdks/openai-compatibility',
    null,
  ),
  OPENROUTER: openAiLike(
    'https://openrouter.ai/api/v1',
    'https://openrouter.ai/docs/api-reference/overview',
    'https://openrouter.ai/docs/api-reference/list-available-models',
  ),
  MOONSHOT: openAiLike(
    'https://api.moonshot.ai/v1',
    'https://platform.moonshot.ai/docs/api/chat',
    'https://platform.moonshot.ai/docs/api/list-models',
  ),
  ZHIPU: openAiLike(
    'https://open.bigmodel.cn/api/paas/v4',
    'https://docs.bigmodel.cn/cn/guide/develop/openai/introduction',
    null,
  ),
  QWEN: openAiLike(
    'https://dashscope.aliyuncs.com/compatible-mode/v1',
    'https://help.aliyun.com/zh/model-studio/compatibility-of-openai-with-dashscope',
    null,
  ),
  DOUBAO: openAiLike('https://ark.cn-beijing.volces.com/api/v3', 'https://www.volcengine.com/docs/82379/1330626', null),
  HUNYUAN: openAiLike(
    'https://api.hunyuan.cloud.tencent.com/v1',
    'https://cloud.tencent.com/document/product/1729/111007',
    null,
  ),
  MINIMAX: openAiLike(
    'https://api.minimax.io/v1',
    'https://platform.minimax.io/docs/api-reference/text-openai-api',
    'https://platform.minimax.io/docs/api-reference/models/openai/list-models',
  ),
  STEPFUN: openAiLike(
    'https://api.stepfun.com/v1',
    'https://platform.stepfun.com/docs/api-reference/chat',
    'https://platform.stepfun.com/docs/api-reference/models/list',
  ),
  BAIDU: openAiLike(
    'https://qianfan.baidubce.com/v2',
    'https://cloud.baidu.com/doc/qianfan-api/s/3m7of64lb',
    'https://cloud.baidu.com/doc/qianfan-api/s/Dmba8k71y',
  ),
  NVIDIA: openAiLike(
    'https://integrate.api.nvidia.com/v1',
    'https://docs.api.nvidia.com/nim/reference/llm-apis',
    'https://docs.api.nvidia.com/nim/reference/llm-apis',
  ),
  OLLAMA: openAiLike(
    'http://localhost:11434/v1',
    'https://docs.ollama.com/api/openai-compatibility',
    'https://docs.ollama.com/api/openai-compatibility',
  ),
}
