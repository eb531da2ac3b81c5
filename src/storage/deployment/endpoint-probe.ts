/** The answer of an endpoint to a request for its models. */
export interface EndpointProbe {
  readonly endpointId: string
  readonly kind: 'LISTED' | 'SILENT' | 'UNREACHABLE' | 'FORBIDDEN_ADDRESS' | 'CREDENTIAL_REFUSED'
  /** The models that it lists, at most 500; null: it lists none. */
  readonly models: readonly string[] | null
  /** The base URL at which it lists models, if that is another than its own. */
  readonly listedAt: string | null
  /** What went wrong, for an operator; null: nothing. */
  readonly fault: string | null
}
