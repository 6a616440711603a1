"""The settings that the ImageNet configurations share: ResNet-50 as in the APR paper and its
released script.

The data are TFDS's imagenet2012, read as a stream, or class folders imagenet2012 in the data
folder. The test images, at 224 pixels, are held in memory: 7.0 GiB. ImageNet-C is looked for in the
data folder, in its folder ImageNet-C.
"""

from configs import base


def get_config():
  config = base.get_config()
  config.epochs = 100
  config.batch_size = 256
  config.data.name = "imagenet2012"
  config.data.image_size = 224
  config.data.resize = 256
  config.data.stream = True
  config.model.name = "resnet50"
  config.model.mean = (0.485, 0.456, 0.406)
  config.model.std = (0.229, 0.224, 0.225)
  config.optimizer.nesterov = False
  config.optimizer.weight_decay = 1e-4
  config.schedule.boundaries_epochs = (30, 60, 90)
  config.schedule.factor = 0.1
  config.augment.crop_padding = 0  # the stream crops
  config.augment.apr_p.normalised = True  # where it is on
  config.evaluation.ood_sets = ("photo_patches", "uniform_noise")  # they need no files
  return config
