/** The columns of request rules and trusted certificates. */
export interface RequestRulesColumns {
  pass_headers: string[]
  pass_response_headers: string[]
  add_stream_usage: boolean
  ca_certificates: string | null
}

/** What a model serves; null: not stated. */
export interface AbilityColumns {
  operations: string[] | null
  context_tokens: number | null
}
