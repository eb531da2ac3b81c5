/**
 * Images, speech and transcriptions: events of their own types, or chunks that end with `[DONE]`.
 *
 * https://platform.openai.com/docs/api-reference/images-streaming, …/docs/api-reference/audio.
 */
import { toSeconds } from '../../routing/usage/reported-units.ts'
import type { ServerSentEvent } from './sse.ts'
import { isObject } from './event-json.ts'
import { isErrorEvent } from './find-error.ts'
import { shapeOf } from './json-scan.ts'
import {
  countMark,
  type EndingEvent,
  errorMark,
  heartbeats,
  isBlank,
  isDone,
  type Mark,
  type StreamFollower,
  type StreamProtocol,
} from './stream-protocol.ts'

export const typedParts: StreamProtocol = {
  readOpening(event) {
    if (event.data === undefined) return 'nothing'
    if (isErrorEvent(event)) return 'error'
    if (isDone(event)) return 'over'
    return isBlank(event) || heartbeats.has(event.name) ? 'nothing' : 'content'
  },
  follow: () => new PartFollower(),
  shape: shapeOf({
    type: 'value',
    error: 'value',
    usage: 'value',
    service_tier: 'value',
    data: { each: shapeOf({}) },
    duration: 'value',
  }),
  findUsage: ({ usage }) => (isObject(usage) ? usage : undefined),
  units: {
    // Of a recording the seconds that are billed may be rounded: those of the usage come before its true length.
    find: ({ data, usage, duration }, type) => ({
      images: completedImage.test(type) ? 1 : Array.isArray(data) ? data.filter(isObject).length : null,
      audioSeconds: toSeconds(isObject(usage) ? usage['seconds'] : undefined) ?? toSeconds(duration),
      searchUnits: null,
    }),
    mayBeIn: () => true,
  },
  numbersEvents: false,
  hasUsageOfBeginning: () => false,
  isExtraUsage: () => false,
}

const completedImage = /^image_\w+\.completed$/
const partType = /\.(?:partial_image|delta)$/
const partialEvent = /(?:^event: ?|"type"\s*:\s*")[\w.-]+\.(?:partial_image|delta)\b/m

/** Of several images each has an event that completes it: behind one there may be parts of the next. */
class PartFollower implements StreamFollower {
  hasToldEnd = false
  readonly marks: readonly Mark[] = [
    { text: 'DONE]' },
    errorMark,
    { text: '.completed' },
    { text: '.done' },
    { text: '.partial_image', isWanted: () => this.hasToldEnd },
    { text: '.delta', isWanted: () => this.hasToldEnd },
    countMark,
  ]

  read(event: ServerSentEvent): EndingEvent | null {
    if (isDone(event)) return 'whole'
    if (isErrorEvent(event)) return 'failed'
    const { name } = event
    if (partType.test(name)) this.hasToldEnd = false
    if (name.endsWith('.done')) return 'whole'
    if (!name.endsWith('.completed')) return null
    this.hasToldEnd = true
    return 'perhaps'
  }

  /** It was the next image, unless it was `[DONE]`. */
  mayEndBefore(half: string): boolean {
    return /^data: ?\[D?O?N?E?$/.test(half)
  }

  /** If no event was marked as a part, the form of the last one is unknown. */
  mayEndWith(text: string): boolean {
    return !partialEvent.test(text)
  }
}
