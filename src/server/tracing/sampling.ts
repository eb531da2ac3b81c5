/** As `OTEL_TRACES_SAMPLER` and `OTEL_TRACES_SAMPLER_ARG` say it. */
export interface TraceSampling {
  readonly name: (typeof traceSamplers)[number]
  /** Of the samplers by ratio: from 0 to 1. */
  readonly ratio: number
}

/** https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/ */
export const traceSamplers = [
  'always_on',
  'always_off',
  'traceidratio',
  'parentbased_always_on',
  'parentbased_always_off',
  'parentbased_traceidratio',
] as const
