//! Logistic regression: will this person buy again?

/// A model that gradient descent has trained on people's behaviour, and on whether they bought
/// again.
pub(crate) struct Model {
    scales: Vec<Scale>,
    weights: Vec<f64>,
    bias: f64,
}

/// Scales a feature to a mean of 0 and a deviation of 1, whatever its unit.
struct Scale {
    mean: f64,
    deviation: f64,
}

/// A person whose outcome is known.
pub(crate) struct Example {
    pub(crate) features: Vec<f64>,
    pub(crate) bought: bool,
}

const ROUNDS: usize = 200;
const STEP: f64 = 0.5;
const DECAY: f64 = 0.01; // keeps weights small: there are few examples for so many features

impl Model {
    /// Trains a model. All examples must have the same features. The result is the same each time.
    pub(crate) fn train(examples: &[Example]) -> Self {
        let features = examples.first().map_or(0, |example| example.features.len());
        let scales = (0..features).map(|place| Scale::of(examples, place)).collect();
        let mut model = Self { scales, weights: vec![0.0; features], bias: 0.0 };
        let scaled: Vec<_> = examples.iter().map(|one| model.scaled(&one.features)).collect();
        let step = STEP / examples.len() as f64;
        for _ in 0..ROUNDS {
            let mut slope = vec![0.0; features];
            let mut slope_of_bias = 0.0;
            for (x, example) in scaled.iter().zip(examples) {
                let error = model.judge(x) - f64::from(u8::from(example.bought));
                slope.iter_mut().zip(x).for_each(|(slope, x)| *slope += error * x);
                slope_of_bias += error;
            }
            for (weight, slope) in model.weights.iter_mut().zip(slope) {
                *weight -= step * slope + STEP * DECAY * *weight;
            }
            model.bias -= step * slope_of_bias;
        }
        model
    }

    /// The probability that this person buys again, from 0 to 1.
    pub(crate) fn score(&self, features: &[f64]) -> f64 {
        self.judge(&self.scaled(features))
    }

    fn scaled(&self, features: &[f64]) -> Vec<f64> {
        let scaled = features.iter().zip(&self.scales);
        scaled.map(|(x, scale)| (x - scale.mean) / scale.deviation).collect()
    }

    fn judge(&self, scaled: &[f64]) -> f64 {
        let sum: f64 = scaled.iter().zip(&self.weights).map(|(x, weight)| x * weight).sum();
        1.0 / (1.0 + (-(sum + self.bias)).exp())
    }
}

impl Scale {
    fn of(examples: &[Example], place: usize) -> Self {
        let count = examples.len() as f64;
        let values = || examples.iter().map(|example| example.features[place]);
        let mean = values().sum::<f64>() / count;
        let variance = values().map(|x| (x - mean).powi(2)).sum::<f64>() / count;
        // A feature that is the same for all people teaches nothing: it becomes 0.
        Self { mean, deviation: if variance > 0.0 { variance.sqrt() } else { 1.0 } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_learns_what_decides_and_ignores_what_does_not() {
        let mut rng = fastrand::Rng::with_seed(1);
        let mut person = || {
            let features = vec![1000.0 * rng.f64(), rng.f64(), 7.0];
            let bought = features[0] > 500.0;
            Example { features, bought }
        };
        let model = Model::train(&(0..300).map(|_| person()).collect::<Vec<_>>());
        let strangers: Vec<_> = (0..300).map(|_| person()).collect();
        let right = strangers.iter().filter(|one| (model.score(&one.features) > 0.5) == one.bought);
        assert!(right.count() > 280);
        assert!(model.weights[0] > 5.0 * model.weights[1].abs() && model.weights[2] == 0.0);
    }
}
