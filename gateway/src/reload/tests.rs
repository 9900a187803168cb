//! What a reload tells, without a gateway: what waits for a restart and stays as it runs, how carriers differ, when the policy's file
//! is not what is in effect.
