//! Fused operations, under the name by which MLX's users know them.

pub use crate::ops::cross_entropy;
pub use crate::ops::layer_norm::layer_norm;
pub use crate::ops::quantized_sdpa::quantized_scaled_dot_product_attention;
pub use crate::ops::rms_norm::rms_norm;
pub use crate::ops::rope::{Offset, rope};
pub use crate::ops::sdpa::{Mask, scaled_dot_product_attention};
