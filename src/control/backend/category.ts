import type { ModelCategory } from '../../routing/config/vocabulary.ts'

/**
 * Patterns of model names and their categories. The first match decides, so narrow patterns come first: `bge-reranker-v2` is not an
 * embedding model, `gpt-4o-transcribe` not a chat model.
 */
const patterns: readonly (readonly [ModelCategory, RegExp])[] = [
  ['RERANKER', /rerank|\bcolbert\b/],
  ['EMBEDDING', /embed|\b(bge|gte|e5|uae|clip|siglip)\b|minilm|mpnet|voyage-|sentence-t5/],
  ['SPEECH_TO_TEXT', /whisper|transcri|\basr\b|\bstt\b|speech-to-text|parakeet|\bcanary\b|sensevoice|paraformer/],
  ['TEXT_TO_SPEECH', /\btts\b|text-to-speech|\bspeech-\d|kokoro|orpheus|cosyvoice|fish-speech|\bbark\b|\bsonic-/],
  // Video, realtime audio, moderation and documents have no category, though the names look like those of chat models.
  ['UNKNOWN', /\bsora\b|\bveo\b|video|t2v|i2v|seedance|hailuo|\bkling\b|lyria|realtime|moderation|mistral-ocr/],
  ['IMAGE', /-image\b|dall-?e|imagen\b|diffusion|\bsd(xl|\d)|\bflux\b|cogview|seedream|seededit|hidream|\bstep-1x\b/],
  ['IMAGE', /wanx|recraft|ideogram|kandinsky|playground-v|kolors|nova-canvas|midjourney/],
  ['LLM', /gpt|chat|instruct|coder|\bllm\b|\bo[134]\b|claude|gemini|gemma|llama|davinci|babbage/],
  ['LLM', /mi[sx]tral|ministral|codestral|devstral|magistral|pixtral|voxtral|deepseek|qwen|qwq|qvq|grok/],
  ['LLM', /command|\baya\b|\bphi\b|\byi\b|glm|kimi|moonshot|ernie|hunyuan|doubao|abab|minimax|\bstep-|longcat/],
  ['LLM', /nemotron|granite|falcon|jamba|dbrx|olmo|smollm|sonar|hermes|zephyr|starcoder|internlm|baichuan|exaone/],
  ['LLM', /solar|vicuna|wizard|reka|palmyra|tulu|\blfm\b|\bnova-|titan-text/],
]

/** The categories that a model's name suggests; `['UNKNOWN']` if no pattern matches. Never empty. */
export function guessCategories(upstreamModel: string): readonly ModelCategory[] {
  const name = upstreamModel.toLowerCase().replaceAll('_', '-')
  const [category] = patterns.find(([, pattern]) => pattern.test(name)) ?? ['UNKNOWN' as const]
  return [category]
}
