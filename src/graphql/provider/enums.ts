import type { ProviderKind as ProviderKindWord } from '../../routing/vendors/provider-kind.ts'
import type { Values } from '../schema/enum-values.ts'
import { builder } from '../schema/builder.ts'

export const ProviderKind = builder.enumType('ProviderKind', {
  description:
    'The service behind a provider. It determines the default base URL, how the credential is sent, and the protocols.',
  values: {
    OPENAI: { description: 'OpenAI.' },
    OPENAI_COMPATIBLE: {
      description: 'Any server that speaks the OpenAI API at a base URL of the form `http://host:port/v1`.',
    },
    AZURE_OPENAI: { description: 'Azure OpenAI; its base URL is that of your resource.' },
    ANTHROPIC: { description: 'Anthropic.' },
    GOOGLE_GEMINI: { description: 'Google Gemini.' },
    AWS_BEDROCK: { description: 'Amazon Bedrock; its base URL depends on the region.' },
    MISTRAL: { description: 'Mistral AI.' },
    COHERE: { description: 'Cohere.' },
    DEEPSEEK: { description: 'DeepSeek.' },
    XAI: { description: 'xAI.' },
    GROQ: { description: 'Groq.' },
    TOGETHER: { description: 'Together AI.' },
    FIREWORKS: { description: 'Fireworks AI.' },
    OPENROUTER: { description: 'OpenRouter.' },
    MOONSHOT: { description: 'Moonshot AI (Kimi).' },
    ZHIPU: { description: 'Zhipu AI (GLM).' },
    QWEN: { description: 'Alibaba Cloud Model Studio (Qwen).' },
    DOUBAO: { description: 'Volcano Engine Ark (Doubao).' },
    HUNYUAN: { description: 'Tencent Hunyuan.' },
    MINIMAX: { description: 'MiniMax.' },
    STEPFUN: { description: 'StepFun.' },
    BAIDU: { description: 'Baidu Qianfan (ERNIE).' },
    NVIDIA: { description: 'NVIDIA NIM.' },
    OLLAMA: { description: 'Ollama.' },
  } satisfies Values<ProviderKindWord>,
})
